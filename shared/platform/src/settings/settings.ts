import { readFileSync } from 'node:fs';
import { StartError } from '../errors.ts';
import { diagnostics } from '../logging/diagnostics.ts';
import { type Address, parseAddress } from '../net/network-address.ts';
import { isPlainUrl } from '../net/plain-url.ts';
import {
  fileError,
  NOT_SHOWN,
  neverShow,
  shownName,
  shownPath,
  shownReference,
  shownUrl,
  shownValue,
} from '../text/shown-text.ts';
import { tellOfForeignNames } from './foreign-names.ts';
import { isKongKey } from './kong-keys.ts';
import { LISTEN_FORMS, type Listen, parseListens } from './listen-setting.ts';
import { nearest } from './nearest.ts';
import { isCutPem, PEM_FORMS, PEM_NEEDS_ONE_LINE } from './pem-setting.ts';
import { serviceLinksIn, tellOfServiceLinks } from './service-links.ts';

/** Where settings are read from when no --conf is given, if the file is there (specification.md §2). */
export const DEFAULT_CONF_FILE = '/etc/vaultplane/vaultplane.conf';

interface Spec {
  description: string;
  /** Never shown in an error. */
  secret?: boolean;
  /** Other names of the key, in files and, upper-cased, in the environment. */
  aliases?: readonly string[];
  /** What holds where it is not set, for people: whoever reads the setting fills it in, and can tell that it is not set. */
  filledInLater?: string | number | boolean | readonly string[];
}
interface TextSpec extends Spec {
  /** `pem`: a certificate or a key, in one of Kong's three forms (pem-setting.ts). */
  type: 'string' | 'path' | 'url' | 'pem';
  default?: string;
  match?: RegExp;
  /** What `match` allows, for the error. */
  allowed?: string;
}
interface NumberSpec extends Spec {
  type: 'integer' | 'number';
  default?: number;
  min?: number;
  max?: number;
}
interface BooleanSpec extends Spec {
  type: 'boolean';
  default?: boolean;
}
interface EnumSpec extends Spec {
  type: 'enum';
  values: readonly string[];
  default?: string;
}
interface ListSpec extends Spec {
  type: 'list';
  /** Its items are references, to be taken as they are: the setting itself is none. */
  ofReferences?: true;
  default?: readonly string[];
  /** Of each item. */
  match?: RegExp;
  allowed?: string;
}
interface ListenSpec extends Spec {
  type: 'listen';
  /** HOST:PORT */
  default?: string;
}
interface ListensSpec extends Spec {
  /** Several addresses with flags, in Kong's form. */
  type: 'listens';
  default?: string;
  /** Whether it may be `off`. */
  mayBeOff: boolean;
}
export type SettingSpec = TextSpec | NumberSpec | BooleanSpec | EnumSpec | ListSpec | ListenSpec | ListensSpec;
export type SettingsSchema = Record<string, SettingSpec>;

type ValueOf<S extends SettingSpec> = S extends EnumSpec
  ? S['values'][number]
  : S extends NumberSpec
    ? number
    : S extends BooleanSpec
      ? boolean
      : S extends ListSpec
        ? string[]
        : S extends ListenSpec
          ? Address
          : S extends ListensSpec
            ? Listen[]
            : string;

/** The settings that a schema describes; undefined where a key has no default and was not set. */
export type SettingsOf<S extends SettingsSchema> = {
  [K in keyof S]: S[K] extends { default: unknown } ? ValueOf<S[K]> : ValueOf<S[K]> | undefined;
};

export function defineSettings<const S extends SettingsSchema>(schema: S): S {
  return schema;
}

export interface LoadOptions {
  /** A file that must be there; without it DEFAULT_CONF_FILE is read if it is there. */
  confFile?: string | undefined;
  env: NodeJS.ProcessEnv;
  /** Told of what is ignored, in one line; stderr without it. */
  warn?: ((line: string) => void) | undefined;
  /**
   * Gives the value of a setting that is itself a reference, once, at start. Called with the settings known so far:
   * those that are no references, those that refer to vaults on this machine (`env`), and all that configure the vault.
   */
  resolveReference?: (known: Record<string, unknown>) => (reference: string, key: string) => Promise<string>;
}

/** What the loader is told of the programs that one settings file is for, and of references to vaults. */
export interface SettingsLanguage {
  /** Every key of every program that may share the file: those of others are skipped. */
  keys: ReadonlySet<string>;
  looksLikeReference(text: string): boolean;
  /** The vault of what looks like a reference. */
  vaultOf(reference: string): string;
  /** Whether vaults called so are on this machine, and need no other setting. */
  isLocal(vault: string): boolean;
}

const warnOnStderr = (line: string): void => diagnostics.write(`${line}\n`);

interface RawSetting {
  text: string;
  /** Where it was set, for errors. */
  where: string;
  /** The key, or the alias, by which it was set there. */
  name: string;
}

/**
 * Reads settings: the file, over it the environment's `KONG_<KEY>`, over that its `VAULTPLANE_<KEY>`.
 *
 * @throws StartError naming the key, its value (never a secret one) and what is allowed; for an unknown key in the file
 *   the nearest right one
 */
export async function readSettings<S extends SettingsSchema>(
  schema: S,
  options: LoadOptions,
  language: SettingsLanguage,
): Promise<SettingsOf<S>> {
  const { looksLikeReference, vaultOf } = language;
  const ofKong: string[] = [];
  const raw = readFile(schema, options.confFile, { keys: language.keys, ofKong });
  const links = serviceLinksIn(options.env);
  const warn = options.warn ?? warnOnStderr;
  tellOfServiceLinks(links, warn);
  const known = [...namesOf(schema).map(([name]) => name), ...language.keys];
  tellOfForeignNames(ofKong, options.env, { known, ignored: links, warn });
  for (const prefix of ['KONG_', 'VAULTPLANE_']) {
    const ofPrefix = new Map<string, RawSetting>();
    for (const [name, key] of namesOf(schema)) {
      const variable = prefix + name.toUpperCase();
      const text = options.env[variable];
      if (text !== undefined && text !== '' && !links.has(variable))
        setOnce(ofPrefix, key, { text: text.trim(), where: variable, name: variable });
    }
    for (const [key, setting] of ofPrefix) raw.set(key, setting);
  }

  const settings: Record<string, unknown> = {};
  const waiting: string[] = [];
  for (const [key, spec] of Object.entries(schema)) {
    const setting = raw.get(key);
    if (setting === undefined) settings[key] = defaultOf(spec);
    else if (looksLikeReference(setting.text) && !(spec.type === 'list' && spec.ofReferences)) waiting.push(key);
    else settings[key] = parse(key, spec, setting);
  }
  const vaults = new Map(waiting.map((key) => [key, vaultOf(raw.get(key)!.text)]));
  const next = () => nextToResolve(vaults, language.isLocal);
  for (let key = next(); key !== undefined; key = next()) {
    vaults.delete(key);
    const { text: reference, ...from } = raw.get(key)!;
    const { where } = from;
    const resolve = options.resolveReference?.(settings);
    if (!resolve) throw new StartError(`${where}: ${key} can't be a reference here`);
    const text = await resolve(reference, key).catch((error: Error) => {
      const shown = shownReference(reference);
      throw new StartError(`${where}: ${key} = ${shown} could not be resolved: ${error.message}`, { cause: error });
    });
    // Followed further, as the credential of a vault would be, it would lead wherever whoever can write that secret wants.
    if (looksLikeReference(text.trim())) {
      throw new StartError(
        `${where}: ${key} = ${shownReference(reference)} is not allowed: its value (not shown) is a reference itself, which is not followed`,
      );
    }
    hide(schema[key]!, text);
    settings[key] = parse(key, { ...schema[key]!, secret: true }, { text, ...from });
  }
  return settings as SettingsOf<S>;
}

/**
 * The setting to be resolved next: one whose vault is on this machine, or, where there is none left, one whose vault's own
 * settings are all known.
 *
 * @param waiting the vault of each that is still a reference
 * @throws StartError where every vault waits for another
 */
function nextToResolve(waiting: ReadonlyMap<string, string>, isLocal: (vault: string) => boolean): string | undefined {
  const keys = [...waiting.keys()];
  const isFree = (key: string) => !keys.some((other) => other.startsWith(`vault_${waiting.get(key)}_`));
  const free = keys.filter(isFree);
  const next = free.find((key) => isLocal(waiting.get(key)!)) ?? free[0];
  if (next === undefined && keys.length > 0) {
    throw new StartError(
      `${keys.join(' and ')} can't be resolved: each refers to a vault that another of them configures`,
    );
  }
  return next;
}

/** What a vault has given for a setting is shown nowhere: not in an error about a file that it names either. */
function hide(spec: SettingSpec, text: string): void {
  if (spec.type === 'string' || spec.type === 'path' || spec.type === 'url' || spec.type === 'pem') neverShow(text);
  if (spec.type === 'list') for (const item of itemsOf(text)) neverShow(item);
}

/** Every name of every key, aliases too, with the key that it means. */
function namesOf(schema: SettingsSchema): Array<[name: string, key: string]> {
  return Object.entries(schema).flatMap(([key, spec]) =>
    [...(spec.aliases ?? []), key].map((name) => [name, key] as [string, string]),
  );
}

/**
 * Sets a key as one source, a file or the variables of one prefix, has it.
 *
 * @throws StartError where the source has the key by another of its names too, with another value
 */
function setOnce(raw: Map<string, RawSetting>, key: string, setting: RawSetting): void {
  const before = raw.get(key);
  if (before && before.name !== setting.name && before.text !== setting.text) {
    const also = before.where === before.name ? '' : ` (${before.where})`;
    throw new StartError(
      `${setting.where}: ${setting.name} and ${before.name}${also} are names of one setting, and have different values; leave one out`,
    );
  }
  raw.set(key, setting);
}

/**
 * @param known every program's keys
 * @param ofKong filled with keys of Kong's that mean nothing here
 */
function readFile(
  schema: SettingsSchema,
  confFile: string | undefined,
  { keys: known, ofKong }: { keys: ReadonlySet<string>; ofKong: string[] },
): Map<string, RawSetting> {
  const path = confFile ?? DEFAULT_CONF_FILE;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (confFile === undefined && (error as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
    throw new StartError(fileError('the settings file ', path, "can't be read", error));
  }
  const keys = new Map(namesOf(schema));
  const raw = new Map<string, RawSetting>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    // As in kong.conf: a # begins a comment at the start of a line or behind white space; \# is a # itself.
    const content = line
      .replace(/(^|\s)#.*$/, '')
      .replaceAll('\\#', '#')
      .trim();
    if (content === '') continue;
    const where = `${shownPath(path)}:${index + 1}`;
    const at = content.indexOf('=');
    if (isCutPem(content)) throw new StartError(`${where}: ${PEM_NEEDS_ONE_LINE}`);
    if (at < 1) throw new StartError(`${where}: a line must have the form key = value`);
    const name = content.slice(0, at).trim();
    const key = keys.get(name);
    if (key === undefined) {
      if (known.has(name)) continue;
      if (isKongKey(name)) {
        ofKong.push(name);
        continue;
      }
      // A line may be one of a key's PEM, which has a = at its end.
      const shown = /^\w{1,64}$/.test(name) ? shownName(name) : NOT_SHOWN;
      throw new StartError(`${where}: unknown key ${shown}${nearest(name, [...keys.keys(), ...known])}`);
    }
    setOnce(raw, key, { text: content.slice(at + 1).trim(), where, name });
  }
  return raw;
}

function defaultOf(spec: SettingSpec): unknown {
  if (spec.type === 'listen' && spec.default !== undefined) return parseAddress(spec.default);
  if (spec.type === 'listens' && spec.default !== undefined) return parseListens(spec.default);
  if (spec.type === 'list') return spec.default && [...spec.default];
  return spec.default;
}

function parse(key: string, spec: SettingSpec, { text, where }: RawSetting): unknown {
  const refuse = (allowed: string): never => {
    throw new StartError(`${where}: ${key} = ${shownSetting(spec, text)} is not allowed; it must be ${allowed}`);
  };
  switch (spec.type) {
    case 'string':
    case 'path':
      if (spec.match && !spec.match.test(text)) refuse(spec.allowed ?? `like ${spec.match.source}`);
      return text === '' ? refuse('not empty') : text;
    case 'pem':
      if (isCutPem(text)) throw new StartError(`${where}: ${key} holds PEM without its end; it must be ${PEM_FORMS}`);
      return text === '' ? refuse(PEM_FORMS) : text;
    case 'url':
      return isPlainUrl(text) ? text : refuse('an http:// or https:// URL without credentials, query or fragment');
    case 'integer':
    case 'number': {
      const min = spec.min ?? Number.MIN_SAFE_INTEGER;
      const max = spec.max ?? Number.MAX_SAFE_INTEGER;
      const form = spec.type === 'integer' ? /^-?\d+$/ : /^-?\d+(\.\d+)?$/;
      const value = form.test(text) ? Number(text) : Number.NaN;
      if (!(value >= min && value <= max))
        refuse(`${spec.type === 'integer' ? 'a whole number' : 'a number'} from ${min} to ${max}`);
      return value;
    }
    case 'boolean':
      if (/^(on|true|yes|1)$/i.test(text)) return true;
      return /^(off|false|no|0)$/i.test(text) ? false : refuse('on or off');
    case 'enum':
      return spec.values.includes(text)
        ? text
        : refuse(`one of ${spec.values.join(', ')}${nearest(text, spec.values)}`);
    case 'list':
      return itemsOf(text).map((item) =>
        spec.match && !spec.match.test(item) ? refuse(`a list of ${spec.allowed}`) : item,
      );
    case 'listens': {
      const listens = parseListens(text);
      if (typeof listens !== 'string' && (listens.length > 0 || spec.mayBeOff)) return listens;
      const problem = typeof listens === 'string' && listens !== '' && !spec.secret ? ` (${listens})` : '';
      return refuse(`${LISTEN_FORMS}${spec.mayBeOff ? '; or off' : ''}${problem}`);
    }
    case 'listen':
      return parseAddress(text) ?? refuse('HOST:PORT, such as 127.0.0.1:8001 or [::1]:8001');
  }
}

function itemsOf(list: string): string[] {
  return list
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

/** A bad value as its error shows it: only what is plausibly a misspelt one, so no secret that stands in the wrong place. */
function shownSetting(spec: SettingSpec, text: string): string {
  if (spec.secret) return NOT_SHOWN;
  if (spec.type === 'url' && /^https?:/i.test(text)) return shownUrl(text);
  return shownValue(text);
}
