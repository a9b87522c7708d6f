import { render, type VNode } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { AdminApi, ApiError } from './admin-api.ts';
import { FleetFeed, useFleet } from './fleet-feed.ts';
import { html } from './html.ts';
import { Problem } from './loading.ts';
import { PAGES } from './pages.ts';
import { useRoute } from './route.ts';
import { SignIn } from './sign-in.ts';
import { timeText } from './time-text.ts';
import { VaultEditor } from './vault-editor.ts';

function App(): VNode {
  const api = useMemo(() => new AdminApi(), []);
  const [session, setSession] = useState<'asking' | 'out' | 'in' | 'unreachable'>('asking');
  const tryWithout = () => {
    setSession('asking');
    // A control plane without any token yet lets this machine in, as its API does.
    api.signIn(null).then(
      () => setSession('in'),
      (error) => setSession(error instanceof ApiError ? 'out' : 'unreachable'),
    );
  };
  useEffect(() => {
    api.onSignedOut = () => setSession('out');
    tryWithout();
  }, []);
  if (session === 'asking') return html`<main class="centre"><p role="status">Connecting…</p></main>`;
  if (session === 'unreachable') {
    return html`<main class="centre">
      <${Problem} title="The control plane does not answer" text="It may be starting, or the way to it is cut. Applications go on: data planes serve what they have." onRetry=${tryWithout} />
    </main>`;
  }
  if (session === 'out') return html`<${SignIn} api=${api} onSignedIn=${() => setSession('in')} />`;
  return html`<${Shell} api=${api} />`;
}

function Shell({ api }: { api: AdminApi }): VNode {
  const feed = useMemo(() => new FleetFeed(api), [api]);
  useEffect(() => () => feed.stop(), [feed]);
  const route = useRoute();
  const pages = PAGES.filter(({ adminOnly }) => !adminOnly || api.can('admin'));
  const page = pages.find(({ name }) => name === (route.segments[0] ?? 'fleet')) ?? pages[0]!;
  const isEditor = page.name === 'vaults' && ['new', 'edit'].includes(route.segments[1] ?? '');
  const place = isEditor ? route.segments.join('/') : page.name;
  const main = useRef<HTMLElement>(null);
  const shown = useRef(place);
  useEffect(() => {
    document.title = `${page.title} · vaultplane manager`;
    // Whoever listens to the page hears where a link has led; whoever has just come is left alone.
    if (shown.current !== place) main.current?.focus();
    shown.current = place;
    main.current?.scrollTo(0, 0);
    // On a narrow screen not all of them are seen.
    document.querySelector('nav [aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }, [place]);
  const component = isEditor ? VaultEditor : page.component;
  return html`<div class="shell">
    <a class="skip" href="#main" onClick=${(event: Event) => {
      event.preventDefault();
      main.current?.focus();
    }}>Skip to the page</a>
    <header class="top">
      <div class="brand"><img src="icon.svg" alt="" width="26" height="26" /><span>vaultplane</span></div>
      <nav aria-label="Pages">
        ${pages.map(
          ({
            name,
            title,
            icon,
          }) => html`<a key=${name} href=${`#/${name}`} aria-current=${name === page.name ? 'page' : undefined}>
            <span aria-hidden="true" class="nav-icon">${icon}</span>${title}
          </a>`,
        )}
      </nav>
      <${Connection} feed=${feed} />
      <div class="who">
        <span title=${api.name}>${api.role}</span>
        ${api.name !== 'local' && html`<button type="button" class="quiet" onClick=${() => api.signOut()}>Sign out</button>`}
      </div>
    </header>
    <main id="main" ref=${main} tabindex="-1" aria-label=${page.title}>
      <${component} key=${place} api=${api} feed=${feed} route=${route} />
    </main>
  </div>`;
}

const CONNECTION = {
  connecting: ['◌', 'Connecting'],
  live: ['●', 'Live'],
  disconnected: ['○', 'Not connected'],
} as const;

function Connection({ feed }: { feed: FleetFeed }): VNode {
  useFleet(feed);
  const [icon, text] = CONNECTION[feed.state];
  return html`<p class=${`connection ${feed.state}`} role="status">
    <span aria-hidden="true">${icon}</span> ${text}
    ${feed.state === 'disconnected' && feed.heardAt > 0 && html`<span class="since">, shown as of ${timeText(feed.heardAt / 1000)}</span>`}
  </p>`;
}

render(html`<${App} />`, document.getElementById('app')!);
