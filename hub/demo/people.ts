import type { Chance } from './chance.ts';

/** First and family names that go together, and the language people write in. */
interface Culture {
  readonly weight: number;
  readonly locale: string;
  readonly first: readonly string[];
  readonly family: readonly string[];
}

const words = (text: string): string[] => text.split(' ');

const cultures: readonly Culture[] = [
  {
    weight: 45,
    locale: 'de-DE',
    first: words(
      'Anna Lukas Marie Jonas Katharina Felix Johanna Maximilian Lena Paul Sophie Moritz Greta Jakob Frieda Henrik Ida Matthias Klara Sebastian Ulrike Torsten Sabine Jürgen Petra Dieter Renate Uwe Heike Stefan',
    ),
    family: words(
      'Müller Schmidt Schneider Fischer Weber Meyer Wagner Becker Schulz Hoffmann Schäfer Koch Bauer Richter Klein Wolf Schröder Neumann Schwarz Zimmermann Braun Krüger Hofmann Hartmann Lange Werner Krause Lehmann Köhler Maier Voigt Engel Sommer Winkler',
    ),
  },
  {
    weight: 9,
    locale: 'tr-TR',
    first: words('Ayşe Mehmet Elif Emre Zeynep Can Defne Kerem Selin Deniz Murat Esra'),
    family: words('Yılmaz Kaya Demir Şahin Çelik Yıldız Aydın Öztürk Arslan Doğan Koç Polat'),
  },
  {
    weight: 8,
    locale: 'pl-PL',
    first: words('Agnieszka Piotr Katarzyna Tomasz Małgorzata Paweł Joanna Krzysztof Zofia Jakub'),
    family: words(
      'Nowak Kowalski Wiśniewski Wójcik Kamiński Lewandowski Zieliński Szymański Dąbrowski Mazur',
    ),
  },
  {
    weight: 7,
    locale: 'uk-UA',
    first: words('Olena Andrii Oksana Dmytro Iryna Serhii Kateryna Bohdan Daryna Taras'),
    family: words(
      'Shevchenko Kovalenko Bondarenko Tkachenko Kravchenko Oliinyk Melnyk Lysenko Marchenko Rudenko',
    ),
  },
  {
    weight: 7,
    locale: 'ar',
    first: words('Layla Omar Fatima Yusuf Mariam Khaled Nour Hassan Salma Tariq Rania Samir'),
    family: words('Haddad Khalil Nasser Farah Mansour Saleh Hamdan Aziz Darwish Najjar Sabbagh Rahal'),
  },
  {
    weight: 6,
    locale: 'vi-VN',
    first: words('Linh Minh Trang Huy Thảo Quân Mai Đức Hương Long'),
    family: words('Nguyễn Trần Lê Phạm Hoàng Phan Vũ Đặng Bùi Đỗ'),
  },
  {
    weight: 6,
    locale: 'it-IT',
    first: words('Giulia Lorenzo Chiara Matteo Francesca Davide Elena Alessandro Martina Riccardo'),
    family: words('Rossi Russo Ferrari Esposito Bianchi Romano Colombo Ricci Marino Greco'),
  },
  {
    weight: 5,
    locale: 'en-GB',
    first: words('Emily Oliver Charlotte Harry Amelia George Isla Callum Freya Rhys'),
    family: words("Smith Jones Taylor Brown Evans Thomas Walker O'Brien Campbell Murphy"),
  },
  {
    weight: 4,
    locale: 'en-IN',
    first: words('Ananya Arjun Priya Rohan Kavya Vikram Meera Aditya Lakshmi Rahul'),
    family: words('Sharma Patel Iyer Reddy Nair Gupta Menon Desai Kulkarni Banerjee'),
  },
  {
    weight: 3,
    locale: 'es-ES',
    first: words('Lucía Javier Carmen Álvaro Marta Sergio Inés Pablo Rocío Diego'),
    family: words('García Fernández López Martínez Sánchez Romero Navarro Iglesias Ortega Vidal'),
  },
];

/** A person before they become a member. */
export interface DemoPerson {
  readonly name: string;
  readonly email: string | null;
  readonly phone: string | null;
  readonly locale: string;
  readonly dateOfBirth: string | null;
  readonly guardian: string | null;
  readonly extendedAccess: boolean;
}

const mailHosts = ['example.org', 'mail.example.org', 'post.example.org', 'studio.example.org'] as const;

const asciiOf = (text: string): string =>
  text
    .replaceAll('ß', 'ss')
    .replaceAll(/[đĐ]/g, 'd')
    .replaceAll(/[łŁ]/g, 'l')
    .replaceAll('ı', 'i')
    .normalize('NFD')
    .replaceAll(/[^a-zA-Z]/g, '')
    .toLowerCase();

/** Invents people. Addresses are of domains, and telephone numbers of a range, that nobody has. */
export class People {
  readonly #chance: Chance;
  readonly #year: number;
  readonly #timesUsed = new Map<string, number>();

  /** @param year the present one, for ages */
  constructor(chance: Chance, year: number) {
    this.#chance = chance;
    this.#year = year;
  }

  next(): DemoPerson {
    const chance = this.#chance;
    const culture = cultures[chance.weighted(cultures.map(({ weight }) => weight))] ?? cultures[0];
    const first = chance.pick(culture?.first ?? []);
    const family = this.#familyName(culture?.family ?? []);
    const age = chance.isIn(0.04) ? chance.between(14, 17) : 18 + Math.floor(chance.next() ** 1.6 * 60);
    const dateOfBirth = `${this.#year - age - 1}-${two(chance.between(1, 12))}-${two(chance.between(1, 28))}`;
    return {
      name: `${first} ${family}`,
      email: chance.isIn(0.95) ? this.#address(first, family) : null,
      phone: chance.isIn(0.7) ? `+49 30 23125 ${String(chance.between(0, 999)).padStart(3, '0')}` : null,
      locale: culture?.locale ?? 'de-DE',
      dateOfBirth: chance.isIn(0.85) || age < 18 ? dateOfBirth : null,
      guardian: age < 18 ? `${chance.pick(culture?.first ?? [])} ${family}, +49 30 23125 000` : null,
      extendedAccess: chance.isIn(0.02),
    };
  }

  #familyName(names: readonly string[]): string {
    const one = this.#chance.pick(names);
    if (!this.#chance.isIn(0.06)) return one;
    const other = this.#chance.pick(names);
    return other === one ? one : `${one}-${other}`;
  }

  #address(first: string, family: string): string {
    const name = `${asciiOf(first)}.${asciiOf(family)}`;
    const times = (this.#timesUsed.get(name) ?? 0) + 1;
    this.#timesUsed.set(name, times);
    return `${name}${times === 1 ? '' : String(times)}@${this.#chance.pick(mailHosts)}`;
  }
}

const two = (number: number): string => String(number).padStart(2, '0');
