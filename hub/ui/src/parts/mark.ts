import type { Component } from 'svelte';

/** A state is a colour, an icon and a word; never the colour alone. */
export interface Mark {
  readonly tone: 'good' | 'warn' | 'bad' | 'info' | 'quiet';
  readonly icon: Component<{ size?: number; 'aria-hidden'?: boolean }>;
  readonly word: string;
}
