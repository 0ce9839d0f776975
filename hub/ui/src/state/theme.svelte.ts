const key = 'makrcave-theme';

/** Follows the device until the user chooses a theme, which this browser remembers. */
class Theme {
  dark = $state(false);

  constructor() {
    const chosen = localStorage.getItem(key);
    this.dark = chosen === null ? matchMedia('(prefers-color-scheme: dark)').matches : chosen === 'dark';
    if (chosen !== null) document.documentElement.dataset.theme = chosen;
  }

  toggle(): void {
    this.dark = !this.dark;
    const chosen = this.dark ? 'dark' : 'light';
    localStorage.setItem(key, chosen);
    document.documentElement.dataset.theme = chosen;
  }
}

export const theme = new Theme();
