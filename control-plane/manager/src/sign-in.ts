import type { VNode } from 'preact';
import { useRef, useState } from 'preact/hooks';
import { type AdminApi, errorText } from './admin-api.ts';
import { html } from './html.ts';

export function SignIn({ api, onSignedIn }: { api: AdminApi; onSignedIn: () => void }): VNode {
  const input = useRef<HTMLInputElement>(null);
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    const token = input.current!.value.trim();
    if (token === '') {
      setError('A token is needed.');
      input.current!.focus();
      return;
    }
    setBusy(true);
    try {
      await api.signIn(token);
      onSignedIn();
    } catch (thrown) {
      setBusy(false);
      setError(errorText(thrown));
      input.current!.select();
    }
  };
  return html`<main class="centre">
    <form class="card sign-in" onSubmit=${submit}>
      <div class="brand"><img src="icon.svg" alt="" width="32" height="32" /><h1>vaultplane manager</h1></div>
      <div class="field">
        <label for="token">Token of the Admin API</label>
        <input id="token" ref=${input} type="password" autocomplete="off" spellcheck=${false} autofocus
          aria-invalid=${error !== null} aria-describedby="token-help token-error" />
        <p id="token-help" class="help">It stays in this page's memory, and is forgotten when the page is closed or read anew. <code>vaultplane-cp token create --role reader</code> makes one.</p>
        <p id="token-error" class="error" role="alert">${error}</p>
      </div>
      <button type="submit" class="primary" disabled=${busy}>${busy ? 'Signing in…' : 'Sign in'}</button>
    </form>
  </main>`;
}
