import type { Finding } from '#hub/kernel/finding.ts';
import type { Webhook } from './schema.ts';

const where = 'Settings, Webhooks';

/** Finds problems of webhooks. Names no address: it may hold a secret of the receiver. */
export function findWebhookFindings(
  webhooks: readonly Webhook[],
  overflowedById: ReadonlyMap<string, number>,
): Finding[] {
  return webhooks.flatMap((webhook): Finding[] => {
    const { id, name, state, dead, failures, lost } = webhook;
    const overflowed = overflowedById.get(id) ?? 0;
    const reason = webhook.lastFailure ?? '';
    return [
      ...(state === 'paused'
        ? [
            finding(
              `webhook.paused:${id}`,
              'error',
              `The webhook "${name}" failed ${failures} times in a row since ${webhook.failingSince ?? 'unknown'}; only a probe goes out every hour. ${reason}`,
              `Put its receiver right; ${where} sends again at once. What happens meanwhile waits in the queue.`,
            ),
          ]
        : []),
      ...(state === 'ended'
        ? [
            finding(
              `webhook.ended:${id}`,
              'warning',
              `The receiver of the webhook "${name}" said that it is gone for good; the webhook is switched off.`,
              `Enter its present address in ${where} and switch it on, or remove it.`,
            ),
          ]
        : []),
      ...(overflowed > 0
        ? [
            finding(
              `webhook.queueFull:${id}`,
              'error',
              `${overflowed} deliveries of the webhook "${name}" were given up because its queue was full.`,
              `Put its receiver right, then deliver the dead letters again in ${where}.`,
            ),
          ]
        : []),
      ...(dead > 0
        ? [
            finding(
              `webhook.dead:${id}`,
              'warning',
              `${dead} deliveries of the webhook "${name}" were given up${lost > 0 ? `; ${lost} older ones are lost` : ''}.`,
              `Look at them in ${where}: deliver them again, or clear them away.`,
            ),
          ]
        : []),
    ];
  });
}

const finding = (id: string, severity: Finding['severity'], evidence: string, fix: string): Finding => ({
  id,
  severity,
  evidence: evidence.trim().slice(0, 500),
  fix,
});
