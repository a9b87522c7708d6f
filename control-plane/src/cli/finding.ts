/** What `check` has found out about one thing. */
export interface Finding {
  what: string;
  ok: boolean;
  says: string;
}
