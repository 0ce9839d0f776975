import { z } from 'zod';
import { logLevels } from '#hub/platform/log.ts';
import { gpioConfigSchema } from './gpio/port.ts';
import {
  busTitles,
  isSerial,
  readerConfigSchema,
  readerDataLines,
  type SerialReaderConfig,
  serialKindOf,
} from './readers/registry.ts';

const key = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,39}$/, 'lower-case letters, digits and hyphens, at most 40, such as "front"');
const line = z.number().int().min(0).max(1023);
const bias = z.enum(['pullUp', 'pullDown', 'none']);

const outputSchema = z.strictObject({
  line,
  /** The wiring inverts: a low line switches the output on. */
  activeLow: z.boolean().default(false),
});

const inputSchema = z.strictObject({
  line,
  /** The wiring inverts: a low line means "active". Usual for a switch to ground. */
  activeLow: z.boolean().default(true),
  bias: bias.default('pullUp'),
  debounceMs: z.number().int().min(0).max(1000).default(20),
});

const portalSchema = z.strictObject({
  key,
  name: z.string().min(1).max(80),
  readers: z
    .array(
      z.strictObject({
        key,
        wiring: readerConfigSchema,
        led: outputSchema.optional(),
        buzzer: outputSchema.optional(),
      }),
    )
    .max(8)
    .default([]),
  strike: outputSchema.extend({
    /** secure: locked without current (strike). safe: open without current (magnet). */
    failMode: z.enum(['secure', 'safe']),
  }),
  contact: inputSchema
    .extend({
      /** The closed door connects the switch to ground: low is closed, and a cut wire reads as open. */
      activeLow: z.boolean().default(false),
      /** The level (after activeLow) of an open door. */
      openLevel: z.union([z.literal(0), z.literal(1)]).default(1),
    })
    .optional(),
  rex: inputSchema
    .extend({
      /** After a grant and after closing, the request waits this long: people who enter trip the sensor. */
      ignoreAfterMs: z.number().int().min(0).max(10_000).default(1000),
    })
    .optional(),
  tamper: inputSchema.optional(),
});
export type PortalConfig = z.infer<typeof portalSchema>;

const hubSchema = z.strictObject({
  /** Socket of the hub on the same machine; relative to the state directory. */
  socket: z.string().min(1).default('hub/mqtt.sock'),
  /** Address of a remote hub, used instead of the socket: `mqtts://hub.local:8883`. */
  url: z
    .string()
    .regex(/^mqtts:\/\/[^\s/:]+(:\d{1,5})?$/, 'must look like mqtts://hub.local:8883')
    .optional(),
  /** The hub's certificate authority (PEM); needed with `url`. */
  caFile: z.string().min(1).optional(),
});

const fields = z.strictObject({
  hub: hubSchema.prefault({}),
  gpio: gpioConfigSchema.prefault({}),
  journal: z.strictObject({ maxMebibytes: z.number().int().min(2).max(65_536).default(512) }).prefault({}),
  /** A contact of the fire alarm system; read only, it makes all doors stay open. */
  fire: inputSchema.optional(),
  clock: z
    .strictObject({
      /** The owner vouches for the machine's time although nothing proves it. */
      trustSystem: z.boolean().default(false),
    })
    .prefault({}),
  log: z.strictObject({ level: z.enum(logLevels).default('info') }).prefault({}),
  portals: z.array(portalSchema).min(1).max(64),
});
type Fields = z.infer<typeof fields>;

interface LineUse {
  readonly line: number;
  readonly use: string;
  readonly path: readonly (string | number)[];
}

function lineUses(config: Fields): LineUse[] {
  const uses: LineUse[] = [];
  if (config.fire) uses.push({ line: config.fire.line, use: 'the fire alarm', path: ['fire', 'line'] });
  for (const [index, portal] of config.portals.entries()) {
    const path = ['portals', index];
    const add = (name: 'strike' | 'contact' | 'rex' | 'tamper'): void => {
      const wire = portal[name];
      if (wire !== undefined)
        uses.push({ line: wire.line, use: `${name} of "${portal.key}"`, path: [...path, name, 'line'] });
    };
    add('strike');
    add('contact');
    add('rex');
    add('tamper');
    for (const [place, reader] of portal.readers.entries()) {
      const at = [...path, 'readers', place];
      const { wiring } = reader;
      for (const { field, line: dataLine } of readerDataLines(wiring))
        uses.push({
          line: dataLine.offset,
          use: `${field} of "${reader.key}"`,
          path: [...at, 'wiring', field],
        });
      for (const name of ['led', 'buzzer'] as const) {
        const wire = reader[name];
        if (wire !== undefined)
          uses.push({ line: wire.line, use: `${name} of "${reader.key}"`, path: [...at, name, 'line'] });
      }
    }
  }
  return uses;
}

type Complaint = (path: readonly (string | number)[], message: string) => void;

function checkLines(config: Fields, complain: Complaint): void {
  const first = new Map<number, string>();
  for (const { line: offset, use, path } of lineUses(config)) {
    const other = first.get(offset);
    if (other === undefined) first.set(offset, use);
    else complain(path, `line ${String(offset)} is ${other} already; ${use} needs one of its own`);
  }
}

/** A serial port has one reader, or readers of one bus kind that agree on the line and have an address each. */
function checkPorts(config: Fields, complain: Complaint): void {
  const first = new Map<string, { readonly key: string; readonly wiring: SerialReaderConfig }>();
  const addresses = new Map<string, string>();
  for (const [index, portal] of config.portals.entries())
    for (const [place, { key: readerKey, wiring }] of portal.readers.entries()) {
      if (!isSerial(wiring)) continue;
      const { port } = wiring;
      const { bus } = serialKindOf(wiring);
      const at = ['portals', index, 'readers', place, 'wiring'];
      const other = first.get(port);
      if (other === undefined) first.set(port, { key: readerKey, wiring });
      else if (bus === null || other.wiring.kind !== wiring.kind)
        complain(
          [...at, 'port'],
          `${port} is the port of "${other.key}" already; only ${busTitles().join(' or ')} readers share one`,
        );
      else {
        const mismatch = bus.mismatch(wiring, other.wiring);
        if (mismatch !== null)
          complain(
            [...at, mismatch.field],
            `must be as of "${other.key}" on the same bus, and ${mismatch.others} too`,
          );
      }
      if (bus === null) continue;
      const address = `${port} ${String(bus.address(wiring))}`;
      const owner = addresses.get(address);
      if (owner === undefined) addresses.set(address, readerKey);
      else complain([...at, 'address'], `is the address of "${owner}" on the same bus; give each its own`);
    }
}

function checkKeys(config: Fields, complain: Complaint): void {
  const portals = new Set<string>();
  const readers = new Set<string>();
  for (const [index, portal] of config.portals.entries()) {
    if (portals.has(portal.key))
      complain(['portals', index, 'key'], `there are two portals "${portal.key}"; give each its own key`);
    portals.add(portal.key);
    for (const [place, reader] of portal.readers.entries()) {
      if (readers.has(reader.key))
        complain(
          ['portals', index, 'readers', place, 'key'],
          `there are two readers "${reader.key}"; give each its own key`,
        );
      readers.add(reader.key);
    }
  }
}

/** `bridge.yaml`. Lines are offsets on the chip, each with one use. */
export const bridgeConfigSchema = fields.superRefine((config, context) => {
  const complain: Complaint = (path, message) => {
    context.addIssue({ code: 'custom', path: [...path], message });
  };
  checkLines(config, complain);
  checkKeys(config, complain);
  checkPorts(config, complain);
  if (config.hub.url !== undefined && config.hub.caFile === undefined)
    complain(
      ['hub', 'caFile'],
      'is needed with hub.url: the certificate authority of the hub, as http://localhost:8080/ca.crt there gives it',
    );
});
export type BridgeConfig = z.infer<typeof bridgeConfigSchema>;
