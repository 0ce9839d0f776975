const key = 'makrcave-export-separator';
type Separator = 'comma' | 'semicolon';

/** Spreadsheets take `;` where people write a decimal comma. */
const usual = (): Separator =>
  new Intl.NumberFormat(navigator.language).format(1.5).includes(',') ? 'semicolon' : 'comma';

/** What stands between cells of exported files: as usual here, until the user chooses, which this browser remembers. */
class ExportStyle {
  separator = $state<Separator>('comma');

  constructor() {
    const chosen = localStorage.getItem(key);
    this.separator = chosen === 'comma' || chosen === 'semicolon' ? chosen : usual();
  }

  choose(separator: string): void {
    this.separator = separator === 'semicolon' ? 'semicolon' : 'comma';
    localStorage.setItem(key, this.separator);
  }
}

export const exportStyle = new ExportStyle();
