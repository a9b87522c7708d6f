/*
 * Kubernetes puts variables for every Service of a namespace into the environment of its pods, named after it, unless the
 * pod says `enableServiceLinks: false`. Those of a Service called vaultplane-pg look like settings of ours. Source:
 * Kubernetes, "Accessing the Service", environment variables; Docker, legacy container links.
 */

/** What the variable NAME_PORT of a Service holds, where a setting has a number. */
const LINK = /^(?:tcp|udp|sctp):\/\/[^/\s]+:\d{1,5}$/;
/** The names of the others that come with it. */
const COMPANION =
  /_(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT_\d{1,5}_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)$/;

/** The variables of the environment that Kubernetes made of Services, and so are no settings, though they look like ours. */
export function serviceLinksIn(env: NodeJS.ProcessEnv): Set<string> {
  const names = Object.keys(env).filter((name) => name.startsWith('VAULTPLANE_') || name.startsWith('KONG_'));
  return new Set(names.filter((name) => COMPANION.test(name) || LINK.test(env[name]!.trim())));
}

const SHOWN = 4;
let told = '';

/** Says once that they are ignored. */
export function tellOfServiceLinks(links: ReadonlySet<string>, warn: (line: string) => void): void {
  const names = [...links].sort();
  const more = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : '';
  const line = `WARNING: ${names.slice(0, SHOWN).join(', ')}${more} ignored, as variables of Kubernetes Services and no settings; enableServiceLinks: false in the pod keeps them out`;
  if (names.length === 0 || line === told) return;
  told = line;
  warn(line);
}
