import type { CompiledQuery } from 'kysely';
import { beforeAll, describe, expect, it } from 'vitest';
import { searchMembers } from '#hub/domains/members/member-search.ts';
import { searchStatement } from '#hub/domains/members/search-repository.ts';
import { type MemberFilter, memberWords, searchTerms } from '#hub/domains/members/search-rules.ts';
import { loadAdmissionFacts } from '#hub/domains/members/workflow.ts';
import { newId } from '#hub/platform/new-id.ts';
import type { Store } from '#hub/store/store.ts';
import { accepted, openBench, refused, startMs } from './support.ts';
