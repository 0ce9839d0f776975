import path from 'node:path';
import { domains } from './domains.ts';
import { configShapesOf } from './open-domains.ts';
import { type ConfigSources, envName, loadConfig } from './platform/config/config.ts';
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

const root = path.resolve(import.meta.dirname, '..');

/**
 * The hub's configuration. A relative `stateDir` starts at the product's folder, one in the variable where the command is
 * given. Throws `ConfigProblems`.
 */
export function loadHubConfig(sources: Omit<ConfigSources, 'envPrefix' | 'foreignPrefixes'>): HubConfig {
  const config = loadConfig(hubConfigSchema, {
    ...sources,
    envPrefix: hubEnvPrefix,
    foreignPrefixes: foreignEnvPrefixes,
  });
  const isInVariable = (sources.env[envName(hubEnvPrefix, ['stateDir'])] ?? '') !== '';
  const start = isInVariable ? process.cwd() : root;
  return Object.freeze({ ...config, stateDir: path.resolve(start, config.stateDir) });
}
