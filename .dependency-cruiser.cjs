// Who may import whom. `tests/architecture/imports.test.ts` plants a violation of every rule below and requires
// that it is found, and that modules were read at all.
const { readFileSync } = require('node:fs');
const path = require('node:path');

const domain = '^hub/domains/([^/]+)/';
const schemaOrRules = '/.*(schema|rules)\\.ts$';

/** A driver package is imported only where its adapter lives. */
const driver = (name, packagePattern, adapter) => ({
  name: `driver-${name}`,
  comment: `${name} is imported only in ${adapter}`,
  severity: 'error',
  from: { path: '^(hub|firmware-bridge)/', pathNot: adapter },
  to: { path: `node_modules/${packagePattern}/` },
});

/** The floors of the hub, lowest first: a file imports its own and those below. */
const hubFloors = ['kernel/', 'platform/', 'store/', 'http/', 'domain\\.ts$'];
const hubFloorRules = hubFloors.slice(1).map((floor, index) => ({
  name: `hub-floor-${floor.replace(/\W.*/, '')}`,
  comment: `imports only ${hubFloors.slice(0, index + 2).join(', ')}`,
  severity: 'error',
  from: { path: `^hub/${floor}` },
  to: { path: '^hub/', pathNot: hubFloors.slice(0, index + 2).map((below) => `^hub/${below}`) },
}));

/** The folders of the domains in the order of the one list that declares them. */
const domainsText = readFileSync(path.join(__dirname, 'hub/domains.ts'), 'utf8');
const listedDomains = domainsText
  .slice(domainsText.indexOf('const domains:'))
  .match(/= \[([^\]]*)\]/)[1]
  .match(/\w+/g);
const domainFloorRules = listedDomains.map((name, index) => ({
  name: `domain-floor-${name}`,
  comment: 'a domain imports those before it in the list, and nothing of what serves domains',
  severity: 'error',
  from: { path: name === 'sync' ? '^hub/sync/' : `^hub/domains/${name}/` },
  to: {
    path: '^hub/',
    pathNot: [
      ...hubFloors.map((below) => `^hub/${below}`),
      ...listedDomains
        .slice(0, index + 1)
        .map((below) => (below === 'sync' ? '^hub/sync/' : `^hub/domains/${below}/`)),
    ],
  },
}));

/** The rooms of doors and cards, lowest first; `open-access.ts`, `routes.ts` and `domain.ts` stand on all of them. */
const accessRooms = [
  'schema\\.ts$|tables\\.ts$|audit-words\\.ts$',
  'decide/',
  'controllers/|deps\\.ts$',
  'cards/',
  'pins/',
  'doors/',
  'rules/',
  'policy/',
  'vault/',
  'readers/',
  'events/',
  'alarms/',
  'clones/',
  'enrolment/',
  'explain/',
  'bridges/',
];
const accessRoomRules = accessRooms.map((room, index) => ({
  name: `access-room-${room.replace(/\W.*/, '')}`,
  comment: `hub/domains/access: ${room} imports only what stands before it`,
  severity: 'error',
  from: { path: `^hub/domains/access/(${room})` },
  to: {
    path: '^hub/domains/access/',
    pathNot: `^hub/domains/access/(${accessRooms.slice(0, index + 1).join('|')})`,
  },
}));

/** The floors of the UI, highest first: a file imports its own and those below. */
const uiFloors = ['app', 'pages', 'parts', 'state', 'live'];
const uiFloorRules = uiFloors.slice(1).map((floor, index) => ({
  name: `ui-floor-${floor}`,
  comment: `imports only ${uiFloors.slice(index + 1).join(', ')}`,
  severity: 'error',
  from: { path: `^hub/ui/src/${floor}/` },
  to: { path: `^hub/ui/src/(${uiFloors.slice(0, index + 1).join('|')})/` },
}));

const uiPages = '^hub/ui/src/pages/';
/** Which pages of one domain show something of another's; every other meeting of two domains is refused. */
const uiMeetings = {
  // The page of a member shows cards, PIN, doors and history; its list finds cards and offers unknown ones.
  members: [
    'access/cards/MemberCards.svelte',
    'access/cards/credential-marks.ts',
    'access/enrolment/UnknownCards.svelte',
    'access/events/EventList.svelte',
    'access/pins/MemberPin.svelte',
    'timeline/MemberHistory.svelte',
  ],
  // A rule or a card is for a member; rules hold at places, and their page shows both.
  access: ['members/member/MemberPicker.svelte', 'places/PlaceCards.svelte', 'places/places.svelte.ts'],
  // What happened at a door looks the same in a history.
  timeline: ['access/events/event-marks.ts'],
};
const uiPageRules = [
  {
    name: 'ui-pages-keep-to-their-domain',
    severity: 'error',
    from: { path: `${uiPages}([^/]+)/`, pathNot: `${uiPages}(${Object.keys(uiMeetings).join('|')})/` },
    to: { path: uiPages, pathNot: `${uiPages}$1/` },
  },
  ...Object.entries(uiMeetings).map(([name, files]) => ({
    name: `ui-pages-of-${name}`,
    comment: `imports of other domains' pages only ${files.join(', ')}`,
    severity: 'error',
    from: { path: `${uiPages}${name}/` },
    to: {
      path: uiPages,
      pathNot: [`${uiPages}${name}/`, ...files.map((file) => `${uiPages}${file.replaceAll('.', '\\.')}$`)],
    },
  })),
];

/** The rooms of the bridge, and what each imports besides `ports.ts`. `bridge.ts` and `main.ts` stand on all of them. */
const bridgeRooms = {
  gpio: [],
  journal: [],
  pin: [],
  policy: [],
  readers: [],
  serial: ['readers/'],
  link: ['journal/', 'policy/'],
  door: ['config\\.ts$', 'journal/', 'pin/', 'policy/', 'readers/', 'serial/'],
};

const bridgeRoom = ([room, below]) => ({
  name: `bridge-room-${room}`,
  comment: `firmware-bridge/${room} imports downwards only`,
  severity: 'error',
  from: { path: `^firmware-bridge/${room}/` },
  to: {
    path: '^firmware-bridge/',
    pathNot: ['ports\\.ts$', `${room}/`, ...below].map((path) => `^firmware-bridge/${path}`),
  },
});

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'not-resolvable',
      comment: 'an import that leads nowhere',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'kernel-imports-nothing-of-ours',
      severity: 'error',
      from: { path: '^hub/kernel/' },
      to: { path: '^(hub|firmware-bridge|tests|scripts)/', pathNot: '^hub/kernel/' },
    },
    {
      name: 'kernel-only-zod-and-temporal',
      severity: 'error',
      from: { path: '^hub/kernel/' },
      to: {
        path: 'node_modules/',
        pathNot: 'node_modules/(zod|temporal-polyfill|temporal-utils|temporal-spec)/',
      },
    },
    {
      name: 'rules-are-pure',
      comment: 'rules.ts imports only kernel and schema/rules files',
      severity: 'error',
      from: { path: '^hub/domains/.*rules\\.ts$' },
      to: {
        path: '^(hub|firmware-bridge)/',
        pathNot: [`^hub/domains/[^/]+${schemaOrRules}`, '^hub/kernel/'],
      },
    },
    {
      name: 'domains-meet-at-schema-rules-workflow',
      severity: 'error',
      from: { path: domain },
      to: {
        path: '^hub/domains/',
        pathNot: ['^hub/domains/$1/', '/[^/]*(schema|rules|workflow|domain)\\.ts$'],
      },
    },
    ...hubFloorRules,
    ...domainFloorRules,
    ...accessRoomRules,
    {
      name: 'brokers-know-domains-by-schema-rules-link',
      severity: 'error',
      from: { path: '^hub/mqtt/' },
      to: {
        path: '^hub/',
        pathNot: [
          '^hub/(kernel|platform|store|mqtt)/',
          '^hub/domains/(access/controllers|devices)/[^/]*(schema|rules|link)\\.ts$',
        ],
      },
    },
    {
      name: 'compose-takes-domains-from-their-list',
      comment: 'what puts the hub together imports of a domain only domain.ts and workflow.ts',
      severity: 'error',
      from: { path: '^hub/[^/]+\\.ts$' },
      to: { path: '^hub/domains/', pathNot: '/[^/]*(domain|workflow)\\.ts$' },
    },
    {
      name: 'demo-acts-as-the-api-does',
      comment:
        'the demo fills the store through workflows; it plays the bridge too, so it reads policy, cards and numbers',
      severity: 'error',
      from: { path: '^hub/demo/' },
      to: {
        path: '^hub/domains/',
        pathNot: [
          '/[^/]*(domain|workflow|view|schema|rules|deps)\\.ts$',
          '^hub/domains/(access/open-access|access/policy/repository|access/cards/repository|members/repository)\\.ts$',
        ],
      },
    },
    {
      name: 'bridge-sees-little-of-the-hub',
      severity: 'error',
      from: { path: '^firmware-bridge/' },
      to: {
        path: '^hub/',
        pathNot: ['^hub/(kernel|platform)/', `^hub/domains/[^/]+${schemaOrRules}`],
      },
    },
    {
      name: 'bridge-ports-stand-on-nothing',
      severity: 'error',
      from: { path: '^firmware-bridge/ports\\.ts$' },
      to: { path: '^firmware-bridge/' },
    },
    {
      name: 'bridge-config-knows-wiring-only',
      severity: 'error',
      from: { path: '^firmware-bridge/config\\.ts$' },
      to: { path: '^firmware-bridge/', pathNot: '^firmware-bridge/(gpio|readers)/' },
    },
    ...Object.entries(bridgeRooms).map(bridgeRoom),
    {
      name: 'reader-kinds-are-named-in-one-list',
      comment: 'only kinds.ts imports out of the folder of a reader kind',
      severity: 'error',
      from: { path: '^firmware-bridge/', pathNot: '^firmware-bridge/readers/([^/]+/|kinds\\.ts$)' },
      to: { path: '^firmware-bridge/readers/[^/]+/' },
    },
    {
      name: 'reader-kinds-stand-alone',
      severity: 'error',
      from: { path: '^firmware-bridge/readers/([^/]+)/' },
      to: { path: '^firmware-bridge/readers/[^/]+/', pathNot: '^firmware-bridge/readers/$1/' },
    },
    {
      name: 'hub-never-imports-the-bridge',
      severity: 'error',
      from: { path: '^hub/' },
      to: { path: '^firmware-bridge/' },
    },
    {
      name: 'product-never-imports-tests',
      severity: 'error',
      from: { path: '^(hub|firmware-bridge)/' },
      to: { path: '^(tests|scripts)/' },
    },
    {
      name: 'ui-takes-only-types-of-schemas',
      severity: 'error',
      from: { path: '^hub/ui/' },
      to: { path: '^(hub|firmware-bridge)/', pathNot: ['^hub/ui/', `^hub/domains/[^/]+${schemaOrRules}`] },
    },
    {
      name: 'ui-takes-schemas-as-types-only',
      severity: 'error',
      from: { path: '^hub/ui/' },
      to: {
        path: `^hub/domains/[^/]+${schemaOrRules}`,
        dependencyTypesNot: ['type-only'],
      },
    },
    ...uiFloorRules,
    ...uiPageRules,
    driver('sqlite', 'better-sqlite3[^/]*', '^hub/store/'),
    driver('pg', 'pg[^/]*', '^hub/sync/central/'),
    driver('aedes', 'aedes', '^hub/mqtt/'),
    driver('mqtt', 'mqtt', '^firmware-bridge/link/hub-client\\.ts$'),
    driver('prom-client', 'prom-client', '^hub/platform/health/metrics\\.ts$'),
    driver('sentry', '@sentry', '^hub/platform/errors/error-report-sentry\\.ts$'),
    {
      name: 'bridge-reports-no-errors',
      comment: 'what a door process tells stays in the house',
      severity: 'error',
      from: { path: '^firmware-bridge/' },
      to: { path: '^hub/platform/errors/' },
    },
    driver('koffi', 'koffi', '^(firmware-bridge/gpio|hub/platform)/'),
    driver('jose', 'jose', '^hub/domains/identity/tokens/'),
    driver('serialport', '(serialport|@serialport)', '^firmware-bridge/serial/'),
    driver('node-cron', 'node-cron', '^hub/platform/daily-alarm\\.ts$'),
    driver('onoff', 'onoff', '^firmware-bridge/gpio/'),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(hub/ui/dist|state|node_modules)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
      extensions: ['.ts', '.js', '.mjs', '.cjs', '.svelte', '.json'],
    },
  },
};
