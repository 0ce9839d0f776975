import type { DevicePreset, TopicRight } from './schema.ts';

const sends = (...filters: readonly string[]): TopicRight[] =>
  filters.map((filter) => ({ action: 'publish', filter }));
const receives = (...filters: readonly string[]): TopicRight[] =>
  filters.map((filter) => ({ action: 'subscribe', filter }));

/** By the makers' documentation; what these devices publish beside it (an empty command, a discovery) is among it. */
export const devicePresets: readonly DevicePreset[] = [
  {
    name: 'tasmota',
    title: 'Tasmota',
    topicCalled: 'Topic',
    topicExample: 'plug',
    rights: [
      ...sends('tele/{topic}/#', 'stat/{topic}/#', 'cmnd/{topic}/#', 'tasmota/discovery/#'),
      ...receives('cmnd/{topic}/#', 'cmnd/tasmotas/#'),
    ],
  },
  {
    name: 'shelly1',
    title: 'Shelly, first generation',
    topicCalled: 'Device id',
    topicExample: 'shelly1-B929CC',
    rights: [
      ...sends('shellies/{topic}/#', 'shellies/announce'),
      ...receives('shellies/{topic}/#', 'shellies/command'),
    ],
  },
  {
    name: 'shelly2',
    title: 'Shelly Plus, Pro and later',
    topicCalled: 'MQTT prefix',
    topicExample: 'shellyplus1-a8032abe54dc',
    rights: [...sends('{topic}/#'), ...receives('{topic}/#', 'shellies/command')],
  },
  {
    name: 'zigbee2mqtt',
    title: 'Zigbee2MQTT',
    topicCalled: 'Base topic',
    topicExample: 'zigbee2mqtt',
    rights: [...sends('{topic}/#', 'homeassistant/#'), ...receives('{topic}/#', 'homeassistant/#')],
  },
  {
    name: 'esphome',
    title: 'ESPHome',
    topicCalled: 'Topic prefix',
    topicExample: 'lamp',
    rights: [
      ...sends('{topic}/#', 'esphome/discover/{topic}', 'homeassistant/#'),
      ...receives('{topic}/#', 'esphome/discover', 'esphome/ping/{topic}', 'homeassistant/status'),
    ],
  },
  {
    name: 'octoprint',
    title: 'OctoPrint with its MQTT plugin',
    topicCalled: 'Base topic',
    topicExample: 'octoPrint',
    rights: [...sends('{topic}/#'), ...receives('{topic}/#')],
  },
];
