import type { Figure, HealthPart } from '#hub/platform/health/health-part.ts';
import type { DecisionCounter } from './decision-count.ts';
import type { BridgeDeps } from './deps.ts';
import { bridgeFindings } from './health-rules.ts';
import type { Bridge } from './schema.ts';
import { listBridges } from './workflow.ts';

const stateInWords: Readonly<Record<Bridge['policy']['state'], string>> = {
  applied: 'has the latest rules',
  pending: 'is taking over rules',
  notConnected: 'not connected',
  refused: 'refused the rules',
};

const backlogOf = (bridge: Bridge): number =>
  bridge.journal === null ? 0 : bridge.journal.lastSeq - bridge.journal.ackedSeq;

/** The door controllers and their readers. */
export function bridgeHealth(deps: BridgeDeps, decisions: DecisionCounter): HealthPart {
  /** Since when each connected controller is behind, UTC ms. */
  const pendingSince = new Map<string, number>();
  const hubSinceMs = deps.clock.nowMs();
  let bridges: readonly Bridge[] = [];

  async function load(): Promise<readonly Bridge[]> {
    bridges = await listBridges(deps);
    const nowMs = deps.clock.nowMs();
    for (const id of pendingSince.keys())
      if (!bridges.some((bridge) => bridge.id === id && bridge.policy.state === 'pending'))
        pendingSince.delete(id);
    for (const { id, policy } of bridges)
      if (policy.state === 'pending' && !pendingSince.has(id)) pendingSince.set(id, nowMs);
    return bridges;
  }

  const countWhere = (fits: (bridge: Bridge) => boolean): number => bridges.filter(fits).length;

  return {
    name: 'bridges',
    title: 'Door controllers',
    async findings() {
      const nowMs = deps.clock.nowMs();
      return (await load()).flatMap((bridge) =>
        bridgeFindings(
          {
            bridge,
            readers: deps.live.get(bridge.id)?.state?.readers ?? [],
            pendingSinceMs: pendingSince.get(bridge.id) ?? null,
            hubSinceMs,
          },
          nowMs,
        ),
      );
    },
    async figures() {
      const figures: Figure[] = [];
      for (const [index, bridge] of (await load()).entries()) {
        figures.push({
          name: `bridge${index}State`,
          title: bridge.name,
          unit: 'text',
          value: `${stateInWords[bridge.policy.state]}${bridge.simulated ? ', simulated' : ''}`,
        });
        if (bridge.journal !== null)
          figures.push({
            name: `bridge${index}Backlog`,
            title: `${bridge.name}, events still to come`,
            unit: 'count',
            value: backlogOf(bridge),
          });
      }
      return figures;
    },
    metrics: [
      {
        kind: 'gauge',
        name: 'bridges',
        help: 'Door controllers by state, as of the last look (every 30 s)',
        read: () => [
          { labels: { state: 'connected' }, value: countWhere(({ connected }) => connected) },
          { labels: { state: 'offline' }, value: countWhere(({ connected }) => !connected) },
          { labels: { state: 'pending' }, value: countWhere(({ policy }) => policy.state === 'pending') },
          { labels: { state: 'refused' }, value: countWhere(({ policy }) => policy.state === 'refused') },
        ],
      },
      {
        kind: 'gauge',
        name: 'bridge_backlog_events',
        help: 'Events that connected door controllers have and the hub does not, as of the last look',
        read: () => [{ value: bridges.reduce((sum, bridge) => sum + backlogOf(bridge), 0) }],
      },
      {
        kind: 'counter',
        name: 'access_decisions_total',
        help: 'Decisions at the doors, counted when the hub learns of them',
        read: () =>
          decisions.all().map(({ result, reason, portal, value }) => ({
            labels: { result, reason, portal },
            value,
          })),
      },
    ],
  };
}
