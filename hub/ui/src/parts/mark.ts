import type { Component } from 'svelte';

/** Shows a state as colour, icon and word; never as colour alone. */
export interface Mark {
  readonly tone: 'good' | 'warn' | 'bad' | 'info' | 'quiet';
  readonly icon: Component<{ size?: number; 'aria-hidden'?: boolean }>;
  readonly word: string;
}
