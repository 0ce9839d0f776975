import type { AccessDeps } from '../deps.ts';
import type { PolicyChangeDeps } from '../doors/deps.ts';

export type RuleDeps = PolicyChangeDeps & Pick<AccessDeps, 'store' | 'newId' | 'onPlacesChanged'>;
