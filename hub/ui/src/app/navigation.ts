import { Navigation, type Section } from '../state/navigation.ts';

/** Every domain's section. Sections load components by `import()` only, so each page stays a chunk of its own. */
const sections = import.meta.glob<Section>('../pages/*/section.ts', { eager: true, import: 'section' });

export const navigation = new Navigation(Object.values(sections));
