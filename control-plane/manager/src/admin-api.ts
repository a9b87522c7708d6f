import type { ToldDrill } from '@vaultplane/model/protocol/drill-report.ts';

// The public Admin API (GET /openapi.json), as far as the page uses it.

export type Role = 'reader' | 'editor' | 'admin';

export interface Vault {
  id: string;
  prefix: string;
  name: string;
  description: string | null;
  config: Record<string, unknown>;
  tags: string[] | null;
  created_at: number;
  updated_at: number;
}

export interface ReferenceCounts {
  fresh: number;
  stale: number;
  resurrected: number;
  negative: number;
}

export interface DataPlane {
  id: string;
  hostname: string;
  ip: string | null;
  version: string;
  sync_status: 'unknown' | 'normal' | 'rejected';
  last_seen: number;
  config_version: number | null;
  config_timeline: string | null;
  connected: boolean;
  connected_at: number;
  control_plane_id: string;
  cert_expires_at: number | null;
  references: ReferenceCounts | null;
  vaults: Array<{ prefix: string } & Partial<ReferenceCounts>>;
  rejected_vaults: Array<{ prefix: string; reason: string; grant?: string }>;
  labels: Record<string, string>;
}

export interface Serving {
  version_id: string | null;
  state: string;
  data_planes: number;
  oldest_age_s: number | null;
}

export interface FleetReference {
  vault: string;
  reference: string;
  data_planes: number;
  oldest_age_s: number | null;
  servings: Serving[];
}

export interface VaultDiff {
  change: 'create' | 'update' | 'delete';
  prefix: string;
  id: string;
  fields: Array<{ field: string; before: unknown; after: unknown }>;
}

export interface ConfigVersion {
  version: number;
  made_at: string | null;
  actor: string | null;
  action: string | null;
}

export interface AuditRequest {
  id: number;
  at: string;
  actor: string;
  role: Role | null;
  remote_address: string | null;
  method: string;
  path: string;
  status: number | null;
  request_id: string | null;
  detail: string | null;
  version_before: number;
  version_after: number;
}

export interface Refresh {
  id: string;
  data_planes: { sent: number; done: number; refused: number; lost: number; waiting: number };
  secrets: { asked: number; refreshed: number; changed: number; failed: number };
  reasons: string[];
}

/** One of GET /drills. */
export type DrillReport = ToldDrill & { id: string; actor: string };

export interface FieldSchema {
  type: 'string' | 'number' | 'integer' | 'boolean' | 'array';
  description?: string;
  default?: unknown;
  between?: [number, number];
  one_of?: string[];
  encrypted?: boolean;
  /** A change of it makes other secrets of the same references (specification.md §4). */
  identity?: boolean;
  /** It decides who receives the vault's credentials: where it changes, they have to be given again. */
  destination?: boolean;
}

/** What the API said no to. `fields` are its own words for each field that is wrong. */
export class ApiError extends Error {
  readonly status: number;
  readonly fields: Record<string, unknown>;

  constructor(status: number, message: string, fields: Record<string, unknown> = {}) {
    super(message);
    this.status = status;
    this.fields = fields;
  }
}

const ROLES: readonly Role[] = ['reader', 'editor', 'admin'];

/** Calls to the API. The token is in this object and nowhere else: a page that is closed or read anew has forgotten it. */
export class AdminApi {
  #token: string | null = null;
  #role: Role | null = null;
  name = '';
  /** Called when the API no longer takes the token. */
  onSignedOut = () => {};

  get signedIn(): boolean {
    return this.#role !== null;
  }

  get role(): Role | null {
    return this.#role;
  }

  can(role: Role): boolean {
    return this.#role !== null && ROLES.indexOf(this.#role) >= ROLES.indexOf(role);
  }

  /** Null: as whoever needs no token, on a control plane that has none yet. @throws ApiError */
  async signIn(token: string | null): Promise<void> {
    this.#token = token;
    try {
      const { name, role } = await this.get<{ name: string; role: Role }>('/whoami');
      this.name = name;
      this.#role = role;
    } catch (error) {
      this.#token = null;
      throw error;
    }
  }

  signOut(): void {
    this.#token = null;
    this.#role = null;
    this.onSignedOut();
  }

  get<T>(path: string, signal?: AbortSignal): Promise<T> {
    return this.call<T>('GET', path, undefined, signal);
  }

  async call<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
    const response = await this.fetch(path, {
      method,
      ...(body !== undefined && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      ...(signal && { signal }),
    });
    return (response.status === 204 ? undefined : await response.json()) as T;
  }

  /** Every row of a list, page by page. */
  async all<T>(path: string, signal?: AbortSignal): Promise<T[]> {
    const rows: T[] = [];
    let next: string | null = `${path}${path.includes('?') ? '&' : '?'}size=1000`;
    while (next !== null) {
      const page: { data: T[]; next: string | null } = await this.get(next, signal);
      rows.push(...page.data);
      next = page.next;
    }
    return rows;
  }

  /** An answer of status 200 to 299. @throws ApiError; TypeError when nothing answers */
  async fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    if (this.#token !== null) headers.set('authorization', `Bearer ${this.#token}`);
    const response = await fetch(path, { ...init, headers, credentials: 'omit', cache: 'no-store' });
    if (response.ok) return response;
    const body = (await response.json().catch(() => ({}))) as { message?: string; fields?: Record<string, unknown> };
    if (response.status === 401 && this.signedIn) this.signOut();
    throw new ApiError(response.status, body.message ?? `The control plane answered ${response.status}`, body.fields);
  }
}

/** An error in words for whoever looks at the page. */
export function errorText(error: unknown): string {
  if (error instanceof ApiError) return error.message;
  if (error instanceof TypeError) return 'The control plane does not answer.';
  return error instanceof Error ? error.message : String(error);
}
