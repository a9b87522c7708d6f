import { readFileSync, statSync } from 'node:fs';
import { isIP } from 'node:net';

/** Where the system says how names are resolved. */
export interface SystemFilePaths {
  hosts: string;
  resolvConf: string;
  nsswitch: string;
}

const SYSTEM: SystemFilePaths = {
  hosts: '/etc/hosts',
  resolvConf: '/etc/resolv.conf',
  nsswitch: '/etc/nsswitch.conf',
};

/** What resolv.conf says of how a name is asked for. */
export interface SearchRules {
  /** Domains that are put behind a name. */
  search: readonly string[];
  /** A name with so many dots is asked for as it is first. */
  ndots: number;
  /** Differs where the file does, so that its name servers may be others. */
  fingerprint: string;
}

/** glibc's and c-ares' own limits: more is not looked at. */
const MAX_SEARCH = 16;
const MAX_NDOTS = 15;

/** /etc/hosts, resolv.conf and nsswitch.conf, read again when they change: a container's or a laptop's do while it runs. */
export class SystemFiles {
  readonly #env: NodeJS.ProcessEnv;
  readonly #hosts: WatchedFile<ReadonlyMap<string, readonly string[]>>;
  readonly #resolvConf: WatchedFile<SearchRules>;
  readonly #nsswitch: WatchedFile<readonly string[]>;

  /** @param env LOCALDOMAIN is read from it, as resolv.conf(5) has it */
  constructor(env: NodeJS.ProcessEnv = process.env, paths: SystemFilePaths = SYSTEM) {
    this.#env = env;
    this.#hosts = new WatchedFile(paths.hosts, parseHosts);
    this.#resolvConf = new WatchedFile(paths.resolvConf, parseResolvConf);
    this.#nsswitch = new WatchedFile(paths.nsswitch, parseNsswitch);
  }

  /** The addresses that /etc/hosts has for a name; none where it has no such name. */
  hostsOf(name: string): readonly string[] {
    return this.#hosts.read().get(name.toLowerCase()) ?? [];
  }

  searchRules(): SearchRules {
    const rules = this.#resolvConf.read();
    const own = this.#env.LOCALDOMAIN?.split(/\s+/).filter((domain) => domain !== '');
    return own && own.length > 0 ? { ...rules, search: own } : rules;
  }

  /** Where names are looked up, in order, such as `files` and `dns`. Source: nsswitch.conf(5). */
  sources(): readonly string[] {
    return this.#nsswitch.read();
  }
}

/** A file that is read again when its identity, size or time has changed; a missing one is empty. */
class WatchedFile<T> {
  readonly #path: string;
  readonly #parse: (text: string, fingerprint: string) => T;
  #fingerprint: string | undefined;
  #value: T | undefined;

  constructor(path: string, parse: (text: string, fingerprint: string) => T) {
    this.#path = path;
    this.#parse = parse;
  }

  read(): T {
    const stats = statSync(this.#path, { throwIfNoEntry: false, bigint: true });
    const fingerprint = stats ? `${stats.dev} ${stats.ino} ${stats.size} ${stats.mtimeNs}` : '';
    if (this.#value === undefined || fingerprint !== this.#fingerprint) {
      this.#value = this.#parse(stats ? textOf(this.#path) : '', fingerprint);
      this.#fingerprint = fingerprint;
    }
    return this.#value;
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // As the C library does: what can't be read says nothing.
    return '';
  }
}

function parseHosts(text: string): ReadonlyMap<string, readonly string[]> {
  const hosts = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const [address = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/);
    if (isIP(address) === 0) continue;
    for (const name of names) {
      const known = hosts.get(name.toLowerCase());
      if (!known) hosts.set(name.toLowerCase(), [address]);
      else if (!known.includes(address)) known.push(address);
    }
  }
  return hosts;
}

/** The last of `search` and `domain` counts. Source: resolv.conf(5). */
function parseResolvConf(text: string, fingerprint: string): SearchRules {
  let search: string[] = [];
  let ndots = 1;
  for (const line of text.split('\n')) {
    const [key, ...values] = line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/);
    if (key === 'search') search = values;
    else if (key === 'domain') search = values.slice(0, 1);
    else if (key === 'options') {
      const given = values.map((option) => /^ndots:(\d+)$/.exec(option)?.[1]).find((digits) => digits !== undefined);
      if (given !== undefined) ndots = Math.min(Number(given), MAX_NDOTS);
    }
  }
  const domains = search.map((domain) => domain.replace(/\.$/, '')).filter((domain) => domain !== '');
  return { search: domains.slice(0, MAX_SEARCH), ndots, fingerprint };
}

/** What is looked at where nothing says otherwise: by glibc and musl; other systems have ways of their own, too. */
const DEFAULT_SOURCES = process.platform === 'linux' ? ['files', 'dns'] : ['files', 'dns', 'system'];

function parseNsswitch(text: string): readonly string[] {
  const line = text.split('\n').find((each) => /^\s*hosts\s*:/.test(each));
  const sources = line
    ?.replace(/#.*/, '')
    .replace(/^[^:]*:/, '')
    .replace(/\[[^\]]*\]/g, ' ')
    .trim()
    .split(/\s+/)
    .filter((source) => source !== '');
  return sources && sources.length > 0 ? sources : DEFAULT_SOURCES;
}
