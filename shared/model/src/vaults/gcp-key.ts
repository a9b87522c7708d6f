import { jsonOf } from '@vaultplane/platform/text/json-object.ts';
import { withoutByteOrderMark } from '@vaultplane/platform/text/json-text.ts';
import { BackendError } from '../errors/backend-error.ts';

/** A service account's key, as Google's console gives it. */
export interface ServiceAccountKey {
  type: 'service_account';
  client_email: string;
  private_key: string;
  token_uri: string;
  project_id: string | null;
}

/** A person, as `gcloud auth application-default login` leaves it. */
export interface AuthorizedUser {
  type: 'authorized_user';
  client_id: string;
  client_secret: string;
  refresh_token: string;
  token_uri: string;
  /** The project that such calls are counted against. */
  quota_project_id: string | null;
}

export type GoogleKey = ServiceAccountKey | AuthorizedUser;

export const GOOGLE_TOKEN_URL = 'https://oauth2.googleapis.com/token';

/**
 * Reads credentials in Google's JSON form.
 *
 * @throws BackendError unavailable; it says what is missing, and nothing of what is there
 */
export function parseKey(text: string): GoogleKey {
  const json = jsonOf(Buffer.from(withoutByteOrderMark(text)));
  if (!json) throw wrong('it is not the JSON of a key');
  const { type } = json;
  const shared = { token_uri: tokenUriOf(json) };
  if (type === 'service_account') {
    return {
      type,
      client_email: member(json, 'client_email'),
      private_key: member(json, 'private_key'),
      project_id: optional(json, 'project_id'),
      ...shared,
    };
  }
  if (type === 'authorized_user') {
    return {
      type,
      client_id: member(json, 'client_id'),
      client_secret: member(json, 'client_secret'),
      refresh_token: member(json, 'refresh_token'),
      quota_project_id: optional(json, 'quota_project_id'),
      ...shared,
    };
  }
  const shown = typeof type === 'string' && /^[a-z_]{1,40}$/.test(type) ? type : 'unknown';
  throw wrong(`it is of type ${shown}, which is not supported: use a service_account or an authorized_user`);
}

function tokenUriOf(json: Record<string, unknown>): string {
  const text = optional(json, 'token_uri') ?? GOOGLE_TOKEN_URL;
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) throw wrong('its token_uri is no URL');
  return text;
}

function member(json: Record<string, unknown>, name: string): string {
  const value = optional(json, name);
  if (value === null) throw wrong(`it has no ${name}`);
  return value;
}

function optional(json: Record<string, unknown>, name: string): string | null {
  const value = json[name];
  return typeof value === 'string' && value !== '' ? value : null;
}

const wrong = (what: string): BackendError => new BackendError('unavailable', what);
