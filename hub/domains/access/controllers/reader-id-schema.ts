import { z } from 'zod';

/** A reader's key is its own only within its controller, so its id is both. */
export const readerIdSchema = z
  .string()
  .regex(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}:[a-z0-9][a-z0-9-]{0,39}$/)
  .meta({
    description: "The door controller's id, a colon, and the reader's key in its bridge.yaml",
    examples: [`01936b2c-7d40-7c1e-9a4b-3f2d8c5a6001:outside`],
  });

export const readerId = (bridgeId: string, key: string): string => `${bridgeId}:${key}`;
