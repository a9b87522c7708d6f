import type { JsonBounds } from '@vaultplane/platform/text/json-bounds.ts';

// What a body of the Admin API may hold. Handling the worst that is allowed takes no turn of the event loop longer than
// 250 ms (test/attacks/bodies.test.ts, `npm run fuzz -- bodies`).

/** Bytes of a whole configuration; Kong's own limit for every body is 10 MB. */
export const MAX_DOCUMENT_BYTES = 10 * 1024 * 1024;
/** Bytes of any other body. */
export const MAX_BODY_BYTES = 1024 * 1024;
/** Bytes of YAML: it takes a hundred times as long to read as JSON. */
export const MAX_YAML_BYTES = 1024 * 1024;

/** Objects, lists and YAML collections inside one another: a configuration needs 5. */
export const MAX_DEPTH = 32;
/** Members of one object: an entity and its config have less than 50. */
export const MAX_MEMBERS = 500;
export const BODY_BOUNDS: JsonBounds = { values: 10_000, depth: MAX_DEPTH, members: MAX_MEMBERS };
/** 10,000 vaults have about 120,000 values. */
export const DOCUMENT_BOUNDS: JsonBounds = { ...BODY_BOUNDS, values: 200_000 };

/** Fields of a form, or parts of a multipart form. */
export const MAX_FORM_FIELDS = 1000;
/** Characters of a multipart form's boundary. Source: RFC 2046 §5.1.1. */
export const MAX_BOUNDARY_LENGTH = 70;
