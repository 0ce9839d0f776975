import type { Finding } from '#hub/kernel/finding.ts';
import { dayMs } from '#hub/kernel/time.ts';
import type { Clock } from '#hub/platform/clock/clock.ts';
import type { Figure, HealthPart } from '#hub/platform/health/health-part.ts';
import type { Metric } from '#hub/platform/health/metric.ts';
import { RecentCount } from '#hub/platform/health/recent-count.ts';
import type { DeviceBroker, DeviceFigures } from './device-broker.ts';
import type { SecureListener } from './secure-listener.ts';
import type { ClientIdFight } from './takeovers.ts';

export interface MqttHealthDeps {
  readonly broker: Pick<DeviceBroker, 'figures' | 'fault' | 'lockedAddresses' | 'fights'>;
  /** Null while (or where) it does not listen. */
  readonly listener: () => Pick<SecureListener, 'findings' | 'refused'> | null;
  readonly clock: Pick<Clock, 'monotonicMs'>;
}

/** `kiln (29)`, the device that lost most first. */
const named = (droppedOf: ReadonlyMap<string, number>): string =>
  [...droppedOf]
    .toSorted(([, left], [, right]) => right - left)
    .slice(0, 5)
    .map(([username, count]) => `${username === '' ? 'unknown' : username} (${count})`)
    .join(', ');

function fullFinding({ dropped, retainedDroppedOf }: DeviceFigures): Finding {
  const { queued, expired, retained, sessions } = dropped;
  return {
    id: 'mqtt.full',
    severity: 'warning',
    evidence: `Since the start the broker dropped ${queued} messages of full queues, ${expired} that waited too long and ${retained} retained ones that did not fit${retained === 0 ? '' : `, of ${named(retainedDroppedOf)}`}, and ended ${sessions} sessions.`,
    fix:
      retained === 0
        ? 'Look in Settings, Devices for one that is away with many messages waiting: switch it on, or remove it.'
        : 'Let the named device retain fewer or smaller messages. For the others, look in Settings, Devices for one that is away with many messages waiting.',
  };
}

const notStored: Finding = {
  id: 'mqtt.notStored',
  severity: 'error',
  evidence:
    'What devices sent could not be written to the store; it is tried again every few seconds, and they get no acknowledgement until then.',
  fix: 'Look at the finding of the store or the disk.',
};

const wrongLogins = (addresses: readonly string[]): Finding => ({
  id: 'mqtt.wrongLogins',
  severity: 'warning',
  evidence: `Wrong MQTT user name or token again and again from ${addresses.slice(0, 5).join(', ')}.`,
  fix: 'Give that device another token: Settings, Devices, Renew token.',
});

const fightFinding = (fights: readonly ClientIdFight[]): Finding => ({
  id: 'mqtt.clientIdFight',
  severity: 'warning',
  evidence: fights
    .slice(0, 5)
    .map(
      ({ username, clientId, addresses, takeovers }) =>
        `Connections of ${username} with the client id ${clientId} (from ${addresses.join(' and ')}) ended each other ${takeovers} times within ten minutes.`,
    )
    .join(' '),
  fix: 'Two programs use one client id: give each another one, or better each its own device in Settings, Devices.',
});

const figuresOf = (figures: DeviceFigures): readonly Figure[] => [
  { name: 'connections', title: 'Devices connected', unit: 'count', value: figures.connections },
  { name: 'queued', title: 'Messages that wait', unit: 'count', value: figures.queued },
  { name: 'queuedBytes', title: 'Waiting messages', unit: 'bytes', value: figures.queuedBytes },
  { name: 'retained', title: 'Retained messages', unit: 'count', value: figures.retained },
  { name: 'retainedBytes', title: 'Retained messages', unit: 'bytes', value: figures.retainedBytes },
  { name: 'sessions', title: 'Sessions', unit: 'count', value: figures.sessions },
];

const metricsOf = ({ broker, listener }: MqttHealthDeps): readonly Metric[] => [
  {
    kind: 'gauge',
    name: 'mqtt_connections',
    help: 'Connections of devices',
    read: () => [{ value: broker.figures().connections }],
  },
  {
    kind: 'counter',
    name: 'mqtt_messages_total',
    help: 'Messages from and to devices',
    read: () => {
      const { received, sent } = broker.figures();
      return [
        { labels: { direction: 'in' }, value: received },
        { labels: { direction: 'out' }, value: sent },
      ];
    },
  },
  {
    kind: 'counter',
    name: 'mqtt_dropped_total',
    help: 'What did not fit or waited too long',
    read: () =>
      Object.entries(broker.figures().dropped).map(([reason, value]) => ({ labels: { reason }, value })),
  },
  {
    kind: 'counter',
    name: 'mqtt_refused_total',
    help: 'Connections and messages that were refused, and devices that were cut off because they did not read',
    read: () => {
      const { denied, wrongLogins: wrong, cutOff } = broker.figures();
      return [
        { labels: { reason: 'noRight' }, value: denied },
        { labels: { reason: 'wrongLogin' }, value: wrong },
        { labels: { reason: 'tooSlow' }, value: cutOff },
        { labels: { reason: 'tooManyConnections' }, value: listener()?.refused ?? 0 },
      ];
    },
  },
  {
    kind: 'gauge',
    name: 'mqtt_queued_messages',
    help: 'Messages that wait for devices that are away',
    read: () => [{ value: broker.figures().queued }],
  },
  {
    kind: 'gauge',
    name: 'mqtt_retained_messages',
    help: 'Retained messages',
    read: () => [{ value: broker.figures().retained }],
  },
];

/** The broker for devices. What is wrong with the certificate is said by the part of TLS. */
export function mqttHealth(deps: MqttHealthDeps): HealthPart {
  const { broker, listener, clock } = deps;
  const drops = new RecentCount(dayMs);
  return {
    name: 'mqtt',
    title: 'MQTT devices',
    async findings() {
      const figures = broker.figures();
      const count = Object.values(figures.dropped).reduce((sum, one) => sum + one, 0);
      const locked = broker.lockedAddresses;
      return [
        ...(listener()?.findings() ?? []),
        ...(drops.update(count, clock.monotonicMs()) > 0 ? [fullFinding(figures)] : []),
        ...(broker.fault === null ? [] : [notStored]),
        ...(locked.length > 0 ? [wrongLogins(locked)] : []),
        ...(broker.fights.length > 0 ? [fightFinding(broker.fights)] : []),
      ];
    },
    figures: async () => figuresOf(broker.figures()),
    metrics: metricsOf(deps),
  };
}
