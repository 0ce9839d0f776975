import type { AnswerOf } from '../../../live/api.ts';

/** A service account with its tokens, as the API answers. */
export type ServiceAccount = AnswerOf<'/api/access-control/service-accounts'>['items'][number];
export type AccessToken = ServiceAccount['tokens'][number];
/** A token with its text, which is shown once. */
export interface FreshToken {
  readonly token: string;
  readonly accessToken: AccessToken;
}
