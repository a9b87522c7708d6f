import { BlockList, isIP } from 'node:net';
import { isLoopbackAddress, isMetadataAddress } from '@vaultplane/model/upstream-policy/addresses.ts';
import { type Destination, destinationOf, printDestination } from '@vaultplane/model/upstream-policy/destination.ts';
import { hostsFileAddresses, literalAddress } from '@vaultplane/platform/names/lookup.ts';
import { shownUrl } from '@vaultplane/platform/text/shown-text.ts';

/** An HTTP proxy that the environment names. */
export interface NamedProxy {
  /** With the user and password that it may hold: not to be printed. */
  url: URL;
  /** The variable that names it. */
  from: string;
}

/** What a call needs to say of where it goes. */
export interface ProxyTarget {
  protocol: string;
  /** With or without the brackets of an IPv6 address. */
  host: string;
  port: number | string | undefined;
}

interface Variable {
  name: string;
  value: string;
}

/** A variable that names no proxy that can be used; holds nothing of what it says. */
export class BadProxy extends Error {
  override readonly name = 'BadProxy';
}

/** Names by which clouds' metadata services are known. Sources: Google (metadata server), AWS (instance-data). */
const METADATA_NAMES = [
  'metadata',
  'metadata.google.internal',
  'metadata.goog',
  'instance-data',
  'instance-data.ec2.internal',
];

/**
 * Which calls go through a proxy: HTTPS_PROXY for https, HTTP_PROXY for http, neither for what NO_PROXY names; in lower case
 * too, which goes first. Whatever they say, this machine itself and metadata services are asked directly. Source of the forms
 * of NO_PROXY: curl's manual (a name is for the names below it too, addresses may be networks).
 */
export class Proxies {
  readonly #env: NodeJS.ProcessEnv;
  readonly #used = new Map<string, string>();

  constructor(env: NodeJS.ProcessEnv) {
    this.#env = env;
  }

  /** Whether the environment names any. */
  get isNamed(): boolean {
    return ['https', 'http'].some((protocol) => this.#variable(`${protocol}_proxy`) !== undefined);
  }

  /**
   * The proxy for a call; undefined for one that goes to its destination directly.
   *
   * @throws BadProxy
   */
  of({ protocol, host, port }: ProxyTarget): NamedProxy | undefined {
    const destination = destinationOf(protocol, host, port);
    const variable = this.#variable(`${destination.protocol}_proxy`);
    if (!variable) return undefined;
    const why = this.#directBecause(destination);
    const proxy = why === undefined ? proxyOf(variable) : undefined;
    this.#used.set(
      printDestination(destination),
      proxy ? `through ${shownUrl(proxy.url.href)} (${proxy.from})` : `directly (${why})`,
    );
    return proxy;
  }

  /** Why a variable names no proxy that can be used; undefined where all can. */
  get problem(): string | undefined {
    for (const protocol of ['https', 'http']) {
      const variable = this.#variable(`${protocol}_proxy`);
      if (variable && !urlOf(variable)) return problemOf(variable);
    }
    return undefined;
  }

  /** What was asked for so far, and how it goes there: `directly (NO_PROXY)`. For people; credentials are not in it. */
  get used(): ReadonlyMap<string, string> {
    return this.#used;
  }

  #variable(name: string): Variable | undefined {
    const found = [name, name.toUpperCase()].find((each) => this.#env[each]);
    return found === undefined ? undefined : { name: found, value: this.#env[found]! };
  }

  #directBecause({ host, port }: Destination): string | undefined {
    const name = host.replace(/\.$/, '');
    if (/^(.*\.)?localhost$/.test(name)) return 'this machine';
    if (METADATA_NAMES.includes(name)) return 'metadata service';
    for (const address of [literalAddress(host) ?? '', ...hostsFileAddresses(name)]) {
      if (isLoopbackAddress(address)) return 'this machine';
      if (isMetadataAddress(address)) return 'link-local or metadata address';
    }
    const none = this.#variable('no_proxy');
    return none?.value.split(/[\s,]+/).some((entry) => covers(entry.toLowerCase(), name, port)) ? none.name : undefined;
  }
}

function proxyOf(variable: Variable): NamedProxy {
  const url = urlOf(variable);
  if (!url) throw new BadProxy(problemOf(variable));
  return { url, from: variable.name };
}

/** As curl takes it: without a scheme it is http. */
function urlOf({ value }: Variable): URL | undefined {
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? value : `http://${value}`);
  return url && /^https?:$/.test(url.protocol) && url.hostname !== '' ? url : undefined;
}

function problemOf({ name }: Variable): string {
  return `${name} (not shown) can't be used: it must be http://[USER:PASSWORD@]HOST[:PORT], or https://`;
}

/** Whether an entry of NO_PROXY is for a host. */
function covers(entry: string, host: string, port: number): boolean {
  if (entry === '' || entry === '*') return entry === '*';
  const network = /^\[?([0-9a-f.:]+)\]?\/(\d{1,3})$/.exec(entry);
  if (network) return isInNetwork(host, network[1]!, Number(network[2]));
  const [, written = '', itsPort] = /^(\[[0-9a-f:.]+\]|[^:]*|[0-9a-f:.]+)(?::(\d+))?$/.exec(entry) ?? [];
  if (itsPort !== undefined && Number(itsPort) !== port) return false;
  const name = written.replace(/^\[|\]$/g, '').replace(/^\*?\.|\.$/g, '');
  if (name === '') return false;
  if (isIP(name) !== 0) return destinationOf('http', name, port).host === host;
  return host === name || host.endsWith(`.${name}`);
}

function isInNetwork(host: string, network: string, bits: number): boolean {
  const family = isIP(network);
  if (family === 0 || isIP(host) !== family || bits > (family === 4 ? 32 : 128)) return false;
  const type = family === 4 ? 'ipv4' : 'ipv6';
  const list = new BlockList();
  list.addSubnet(network, bits, type);
  return list.check(host, type);
}
