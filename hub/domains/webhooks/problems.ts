import { type ProblemSpec, wrongField } from '#hub/kernel/vocabulary.ts';

/** The refusals of webhooks. */
export const webhookProblems = {
  webhookNotFound: {
    status: 404,
    title: 'There is no such webhook',
    nextStep: 'Load the list of webhooks again.',
  },
  deliveryNotFound: {
    status: 404,
    title: 'There is no such delivery',
    nextStep: 'Load the deliveries again: old ones are cleared away.',
  },
  webhookNameTaken: {
    status: 409,
    title: 'Another webhook has this name',
    nextStep: 'Choose another name.',
    ...wrongField('/body/name', 'is the name of another webhook'),
  },
  webhookInactive: { status: 409, title: 'The webhook is switched off', nextStep: 'Switch it on first.' },
  tooManyWebhooks: {
    status: 409,
    title: 'There are too many webhooks',
    nextStep: 'Remove one that nobody needs: there can be 20.',
  },
  targetRefused: {
    status: 422,
    title: 'The hub does not send to this address',
    nextStep: 'Correct the address, or allow its network in the configuration of the hub.',
    ...wrongField(
      '/body/url',
      "leads to 192.168.1.5, which is not on the internet: allow its network by webhooks.allowPrivateNetworks in the hub's configuration",
    ),
  },
} as const satisfies Readonly<Record<string, ProblemSpec>>;
