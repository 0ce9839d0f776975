import { domains } from './domains.ts';
import { configShapesOf } from './open-domains.ts';
import { type ConfigSources, loadConfig } from './platform/config/config.ts';
import {
  foreignEnvPrefixes,
  type HubConfig,
  hubEnvPrefix,
  platformConfigSchema,
} from './platform/config/hub-config.ts';

/** Every key of hub.yaml: the hub's own, and one for each domain that has something to set. */
export const hubConfigSchema = platformConfigSchema.extend({
  ...platformConfigSchema.shape,
  ...configShapesOf(domains),
});

/** The hub's configuration. Throws `ConfigProblems`. */
export const loadHubConfig = (sources: Omit<ConfigSources, 'envPrefix' | 'foreignPrefixes'>): HubConfig =>
  loadConfig(hubConfigSchema, {
    ...sources,
    envPrefix: hubEnvPrefix,
    foreignPrefixes: foreignEnvPrefixes,
  });
