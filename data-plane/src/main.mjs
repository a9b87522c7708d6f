#!/usr/bin/env -S node --disable-sigusr1 --
import { keepCompiled } from '@vaultplane/platform/compile-cache.mjs';
import { findOwnModules } from '@vaultplane/platform/own-modules.mjs';

// Before anything else is loaded: what was loaded before could not be kept.
keepCompiled();
findOwnModules();
await import('./program.ts');
