import { Navigation, type Section } from '../state/navigation.ts';

/** A domain's pages join by their own `section.ts`; it names components only in `import()`, so each stays a chunk. */
const sections = import.meta.glob<Section>('../pages/*/section.ts', { eager: true, import: 'section' });

export const navigation = new Navigation(Object.values(sections));
