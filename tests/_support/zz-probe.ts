import { cpSync } from 'node:fs';
import { Appliance } from '#tests/_support/appliance.ts';
import { runCrashes } from '#tests/_support/crash-run.ts';
const close = Appliance.prototype.close;
let text = '';
Appliance.prototype.close = async function () { text = `BRIDGE\n${this.output.bridge.slice(-40).join('\n')}\nHUB\n${this.output.hub.slice(-60).join('\n')}\n`; cpSync(this.stateDir, '/tmp/mc-failed', {recursive:true, filter: (s)=>!s.includes('fifo')&&!s.endsWith('.sock')}); await close.call(this); };
const stop = Appliance.prototype.stop;
let sawn = '';
Appliance.prototype.stop = async function (part, signal) { if (signal !== 'SIGKILL' && part==='bridge') {sawn = JSON.stringify(await this.ask('GET','/api/access-control/bridges').catch(e=>String(e)));} return stop.call(this, part, signal); };
const from = Number(process.argv[2]);
for (let seed = from; seed < from+20; seed++) {
const r = await runCrashes({ kills: 25, seed });
console.log(seed, r.drainMs, r.discrepancies.lost.slice(0, 5), r.discrepancies.lost.length, r.entries, r.entriesUnderFire, r.kills, r.surprises, r.exitCodes, r.unanswered.length, r.misjudged.length, r.releasesWithoutRecord.length);
if (r.discrepancies.lost.length > 0 || r.unanswered.length || r.surprises.length) { console.log(sawn, text); break; }
}
