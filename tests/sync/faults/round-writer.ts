// Writes as a hub does and makes rounds, until it is killed; prints the id of each event after its commit.
import { assert } from '#hub/kernel/result.ts';
import { eventRow, Replica } from '../replicas.ts';

const [folder, instance, journal, firstNumber] = process.argv.slice(2);
assert(folder !== undefined && instance !== undefined, 'a folder and an instance are given');
const replica = await Replica.open({ folder, instance });
const [member] = replica.all('select id from member order by id limit 1');
const memberId = String(Reflect.get(Object(member), 'id'));

async function write(): Promise<void> {
  for (let number = Number(firstNumber); ; number += 1) {
    const event = eventRow(number, { journal_id: journal });
    await replica.store.transact('writer', async (tx) => {
      await tx.append('access_event', event);
      await tx.write('member', memberId, { notes: `${number}` });
    });
    process.stdout.write(`${event.id}\n`);
  }
}
async function rounds(): Promise<void> {
  for (;;) await replica.round();
}
await Promise.all([write(), rounds()]);
