import type { Permission } from '../api/names.ts';
import { type AnswerOf, ApiProblem, api, onSessionEnd, setCsrfToken } from '../live/api.ts';
import { live } from '../live/live.svelte.ts';

/** The current session, as returned by `GET /auth/session`. */
export type SessionView = AnswerOf<'/auth/session'>;

type Stage = 'loading' | 'claim' | 'signIn' | 'signedIn' | 'unreachable';

class Session {
  stage = $state<Stage>('loading');
  view = $state<SessionView | undefined>(undefined);
  siteName = $state('');

  can(permission: Permission): boolean {
    return this.view?.permissions.includes(permission) ?? false;
  }

  /** Like `can`; null only requires a session. */
  may(permission: Permission | null): boolean {
    return permission === null ? this.view !== undefined : this.can(permission);
  }

  enter(view: SessionView): void {
    setCsrfToken(view.csrfToken ?? '');
    this.view = view;
    this.siteName = view.siteName ?? '';
    this.stage = 'signedIn';
  }

  leave(): void {
    setCsrfToken('');
    this.view = undefined;
    this.stage = 'signIn';
  }

  /** Determines the stage: unclaimed hub, signed out or signed in. */
  async load(): Promise<void> {
    try {
      const claim = await api('get', '/api/system/claim');
      if (!claim.claimed) {
        this.stage = 'claim';
        return;
      }
      this.siteName = claim.siteName ?? '';
      this.enter(await api('get', '/auth/session'));
    } catch (problem) {
      this.stage = problem instanceof ApiProblem && problem.status === 401 ? 'signIn' : 'unreachable';
    }
  }

  async signOut(): Promise<void> {
    await api('delete', '/auth/session');
    live.broadcastSignOut();
    this.leave();
  }
}

export const session = new Session();
onSessionEnd(() => session.leave());
