import { hkdfSync } from 'node:crypto';
import { readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { policyDocumentSchema, policyVersionSchema } from '#hub/domains/access/decide/policy-schema.ts';
import { recordBytes } from '#hub/domains/access/policy/record-schema.ts';
import { Fault } from '#hub/kernel/result.ts';
import { isMissingFile, writeFileDurably } from '#hub/platform/files/durable-file.ts';
import { seal, unseal } from '#hub/platform/files/sealed-file.ts';
import { type Confirmation, type Policy, shareRecords } from './policy.ts';

/** A policy as stored on the disk, with what the bridge remembers about it. */
export interface StoredPolicy extends Policy {
  /** Credentials removed from the policy; needed when a restored hub brings them back. */
  readonly removedIds: readonly string[];
}

export interface PolicyStore {
  /** Null: none yet. Throws the Fault `policyUnreadable` after setting the file aside. */
  load(): Promise<StoredPolicy | null>;
  /** Resolves once the policy is on the medium. Throws `diskFull`, `fileNotWritten`. */
  save(policy: StoredPolicy): Promise<void>;
  loadConfirmation(): Promise<Confirmation | null>;
  saveConfirmation(confirmation: Confirmation): Promise<void>;
}

const purpose = 'makrcave bridge policy';
const headSchema = z.strictObject({
  version: policyVersionSchema,
  document: policyDocumentSchema,
  withheldIds: z.array(z.string()),
  removedIds: z.array(z.string()),
});
const confirmationSchema = z.strictObject({ wallMs: z.number().int(), trusted: z.boolean() });

/** Packs the length of the head (u32), the head as JSON, the records. */
function pack(policy: StoredPolicy): Uint8Array[] {
  const { version, document, withheldIds, removedIds, records } = policy;
  const head = Buffer.from(JSON.stringify({ version, document, withheldIds, removedIds }));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(head.length);
  return [length, head, records];
}

function unpack(bytes: Buffer): StoredPolicy {
  const headEnd = 4 + bytes.readUInt32LE(0);
  const records = bytes.subarray(headEnd);
  if (records.length % recordBytes !== 0)
    throw new Fault('policyUnreadable', 'the stored policy has a broken record');
  const head = headSchema.parse(JSON.parse(bytes.toString('utf8', 4, headEnd)));
  return { ...head, records: shareRecords(records) };
}

/** Opens the sealed policy in the bridge's state directory. */
export function openPolicyStore(stateDirectory: string, bridgeKey: Uint8Array): PolicyStore {
  const file = path.join(stateDirectory, 'policy.bin');
  const confirmationFile = path.join(stateDirectory, 'policy-confirmed.json');
  const key = Buffer.from(hkdfSync('sha256', bridgeKey, Buffer.alloc(0), purpose, 32));
  return {
    async load() {
      const sealed = await readFile(file).catch((error: unknown) => {
        if (isMissingFile(error)) return null;
        throw new Fault('policyUnreadable', `${file} cannot be read`, { cause: error });
      });
      if (sealed === null) return null;
      try {
        return unpack(unseal(key, sealed, purpose));
      } catch (cause) {
        await rename(file, `${file}.unreadable`).catch(() => undefined);
        throw new Fault(
          'policyUnreadable',
          `${file} cannot be used and was set aside; the doors stay shut until the hub sends a policy`,
          { cause },
        );
      }
    },
    save: (policy) => writeFileDurably(file, seal(key, pack(policy), purpose)),
    async loadConfirmation() {
      const text = await readFile(confirmationFile, 'utf8').catch(() => null);
      if (text === null) return null;
      try {
        return confirmationSchema.parse(JSON.parse(text));
      } catch {
        // A damaged file counts as a lost one: unknown.
        return null;
      }
    },
    saveConfirmation: (confirmation) => writeFileDurably(confirmationFile, JSON.stringify(confirmation)),
  };
}
