import { useEffect, useState } from 'preact/hooks';

/** Where in the page one is: `#/vaults/edit/aws-sm-vault?from=x`. */
export interface Route {
  /** `/vaults/edit/aws-sm-vault`, its segments decoded. */
  segments: string[];
  query: URLSearchParams;
}

function current(): Route {
  const [path = '', query = ''] = location.hash.replace(/^#/, '').split('?');
  const segments = path
    .split('/')
    .filter((segment) => segment !== '')
    .map((segment) => {
      try {
        return decodeURIComponent(segment);
      } catch {
        return segment;
      }
    });
  return { segments, query: new URLSearchParams(query) };
}

export function useRoute(): Route {
  const [route, setRoute] = useState(current);
  useEffect(() => {
    const listener = () => setRoute(current());
    addEventListener('hashchange', listener);
    return () => removeEventListener('hashchange', listener);
  }, []);
  return route;
}

/** The address of a place. */
export function hrefOf(segments: readonly string[], query: Record<string, string> = {}): string {
  const parameters = new URLSearchParams(query).toString();
  return `#/${segments.map(encodeURIComponent).join('/')}${parameters === '' ? '' : `?${parameters}`}`;
}

export function go(segments: readonly string[], query: Record<string, string> = {}): void {
  location.hash = hrefOf(segments, query);
}
