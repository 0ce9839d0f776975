// The reader kinds, one line each.
export { osdp } from './osdp/kind.ts';
export { pn532 } from './pn532/kind.ts';
export { rdm6300 } from './rdm6300/kind.ts';
export { wedge } from './wedge/kind.ts';
export { wiegand } from './wiegand/kind.ts';
