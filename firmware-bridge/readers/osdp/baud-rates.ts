/** Speeds that OSDP 2.2 (5.2) names. */
export const osdpBaudRates = [9600, 19_200, 38_400, 57_600, 115_200, 230_400] as const;
