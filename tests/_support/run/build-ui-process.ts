import { buildUi } from './build-ui.ts';

await buildUi(process.argv[2] ?? '');
