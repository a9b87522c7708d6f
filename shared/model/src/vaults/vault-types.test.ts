import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fits } from './field-value.ts';
import { RESERVED_PREFIXES, VAULT_TYPES } from './vault-types.ts';

for (const type of VAULT_TYPES.values()) {
  describe(`vault type ${type.name}`, () => {
    it('has defaults that its own checks let pass, and a name that is nobody’s prefix', () => {
      for (const field of type.fields) {
        if (field.default !== undefined) assert.ok(fits(field, field.default), field.name);
        assert.match(field.description, /^[A-Z].*[.)]$/, field.name);
      }
      assert.equal(new Set(type.fields.map(({ name }) => name)).size, type.fields.length);
      assert.ok(RESERVED_PREFIXES.includes(type.name));
    });

    it('has no credential in what tells its secrets apart, which is written to logs and disks', () => {
      for (const { name, sensitive, identity } of type.fields) assert.ok(!(sensitive && identity), name);
    });

    it('says which fields decide who receives its credentials: none of them a credential, every one of a URL, host or CA', () => {
      for (const { name, sensitive, destination, format, identity } of type.fields) {
        assert.ok(!(sensitive && destination), name);
        const leads = format === 'url' || /^(protocol|host|port|namespace|ca_cert)$|_auth_path$/.test(name);
        assert.equal(Boolean(destination), leads, name);
        // A value is never served for another destination. Who signs a certificate is no part of what a secret is.
        if (destination && name !== 'ca_cert') assert.ok(identity, name);
      }
    });

    it('lets no reference say where credentials go', () => {
      for (const field of type.fields) {
        const leads = field.sensitive || field.destination || /host|protocol|role|auth|cert|file/.test(field.name);
        assert.ok(!leads || !type.referenceOptions.includes(field.name), field.name);
      }
    });

    it('has the three lifetimes, and the settings and options that follow', () => {
      for (const name of ['ttl', 'neg_ttl', 'resurrect_ttl']) {
        assert.ok(type.fields.some((field) => field.name === name) && type.referenceOptions.includes(name), name);
      }
      assert.ok(type.fields.filter(({ fleetDefault }) => fleetDefault).length <= 1);
    });
  });
}
