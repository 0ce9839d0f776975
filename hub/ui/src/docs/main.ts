import { ApiProblem, api, setCsrfToken } from '../live/api.ts';
import { theme } from '../state/theme.svelte.ts';

/** The part of Swagger UI in use; vite.config.ts copies its files beside this page. */
interface SwaggerRequest {
  readonly loadSpec?: boolean;
  readonly method?: string;
  readonly headers: Record<string, string>;
  credentials?: RequestCredentials;
}
interface SwaggerBundle {
  (options: {
    readonly spec: unknown;
    readonly domNode: HTMLElement;
    readonly validatorUrl: null;
    readonly deepLinking: boolean;
    readonly docExpansion: 'none';
    readonly filter: boolean;
    readonly defaultModelsExpandDepth: number;
    readonly displayRequestDuration: boolean;
    readonly requestInterceptor: (request: SwaggerRequest) => Promise<SwaggerRequest>;
  }): unknown;
}
declare global {
  interface Window {
    readonly SwaggerUIBundle?: SwaggerBundle;
  }
}

const find = <T extends Element>(selector: string, kind: new () => T): T => {
  const found = document.querySelector(selector);
  if (!(found instanceof kind)) throw new Error(`the page has no ${selector}`);
  return found;
};
const status = find('#session', HTMLElement);
const form = find('#sign-in', HTMLFormElement);
const signOut = find('#sign-out', HTMLButtonElement);
const documentation = find('#documentation', HTMLElement);

const describeProblem = (problem: unknown): string =>
  problem instanceof ApiProblem
    ? [problem.message, problem.nextStep].filter(Boolean).join('. ')
    : String(problem);

/** Returns the CSRF token of the current session; null if signed out. */
async function readSession(): Promise<string | null> {
  try {
    const session = await api('get', '/auth/session');
    setCsrfToken(session.csrfToken ?? '');
    status.textContent = `Signed in as ${session.account?.displayName ?? 'nobody'}: what you try is done in your name.`;
    form.hidden = true;
    signOut.hidden = false;
    return session.csrfToken;
  } catch (problem) {
    const isNobody = problem instanceof ApiProblem && problem.status === 401;
    status.textContent = isNobody
      ? 'Nobody is signed in. Sign in here, or give a token under Authorize.'
      : describeProblem(problem);
    form.hidden = !isNobody;
    signOut.hidden = true;
    return null;
  }
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  const fields = new FormData(form);
  const text = (name: string): string => {
    const value = fields.get(name);
    return typeof value === 'string' ? value : '';
  };
  api('post', '/auth/session', { body: { username: text('username'), password: text('password') } }).then(
    async () => {
      form.reset();
      await readSession();
    },
    (problem: unknown) => {
      status.textContent = describeProblem(problem);
    },
  );
});
signOut.addEventListener('click', () => {
  void api('delete', '/auth/session').then(readSession, readSession);
});

/** Sends no cookie along with a bearer token; otherwise adds the session's CSRF token to writes. */
async function intercept(request: SwaggerRequest): Promise<SwaggerRequest> {
  if (request.loadSpec === true) return request;
  if (Object.keys(request.headers).some((name) => name.toLowerCase() === 'authorization'))
    request.credentials = 'omit';
  else if ((request.method ?? 'GET').toUpperCase() !== 'GET')
    request.headers['X-CSRF-Token'] = (await readSession()) ?? '';
  return request;
}

/** Parses the document here: Swagger UI would spend seconds parsing it as YAML. */
async function readDocument(): Promise<unknown> {
  const answer = await fetch('/openapi.json');
  if (!answer.ok) throw new Error(`/openapi.json: ${answer.status}`);
  return answer.json();
}

function load(tag: 'script' | 'link', attributes: Readonly<Record<string, string>>): Promise<void> {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  element.addEventListener('load', () => resolve());
  element.addEventListener('error', () =>
    reject(new Error(`${Object.values(attributes).join(' ')} is missing`)),
  );
  document.head.append(element);
  return promise;
}

document.documentElement.classList.toggle('dark-mode', theme.dark);
void readSession();
try {
  const [spec] = await Promise.all([
    readDocument(),
    load('link', { rel: 'stylesheet', href: '/docs/swagger-ui.css' }),
    load('script', { src: '/docs/swagger-ui-bundle.js' }),
  ]);
  documentation.textContent = '';
  window.SwaggerUIBundle?.({
    spec,
    domNode: documentation,
    validatorUrl: null,
    deepLinking: true,
    docExpansion: 'none',
    filter: true,
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    requestInterceptor: intercept,
  });
} catch (cause) {
  documentation.textContent = `The documentation is not complete (${describeProblem(cause)}). Build the web UI again: ./scripts/start`;
}
