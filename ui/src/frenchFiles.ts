// What files cannot be imported, and why, in French.

/** Sentences with gaps (`{}`), and their French: `$1` is the first gap as it stands, `§1` the first gap in French where it is known. */
export const FILES: [string, string][] = [
  // Archives.
  ["the zip archive cannot be listed: {}; is it complete?", "l’archive zip ne peut pas être lue ($1)\u00a0; est-elle complète\u00a0?"],
  ["its name cannot be read; it was left out", "son nom est illisible\u00a0; laissé de côté"],
  ["its name points outside of the archive", "son nom mène hors de l’archive"],
  ["it is a link, not a file", "c’est un lien, pas un fichier"],
  ["it is encrypted; unpack it first", "il est chiffré\u00a0; décompressez-le d’abord"],
  ["more than {} entries; the rest was left out", "plus de $1 entrées\u00a0; le reste a été laissé de côté"],
  ["it unpacks to more than {} times its size", "une fois décompressé, il dépasse $1 fois sa taille"],
  ["it unpacks to more than {} bytes", "une fois décompressé, il dépasse $1 octets"],
  ["the archive unpacks to more than it may", "une fois décompressée, l’archive dépasse ce qui est permis"],
  ["an archive inside an archive inside an archive; it was left out", "une archive dans une archive dans une archive\u00a0; laissée de côté"],
  [
    "an archive inside an archive, longer than {} bytes; import it by itself",
    "une archive dans une archive, de plus de $1 octets\u00a0; importez-la seule",
  ],
  ["its list of entries is too long", "sa liste d’entrées est trop longue"],
  // Conversations and mail.
  ["a conversation without messages (no mapping); it was left out", "une conversation sans messages (pas de mapping)\u00a0; laissée de côté"],
  ["its last message is not among its messages", "son dernier message n’est pas parmi ses messages"],
  ["its messages form a circle", "ses messages forment un cercle"],
  ["a message names a parent that is missing", "un message nomme un parent qui manque"],
  ["a line longer than {} bytes; this message was left out", "une ligne de plus de $1 octets\u00a0; ce message a été laissé de côté"],
  ["longer than {} bytes; this message was left out", "plus de $1 octets\u00a0; ce message a été laissé de côté"],
  ["more than {} headers and parts; this message was left out", "plus de $1 en-têtes et parties\u00a0; ce message a été laissé de côté"],
  // Tables and JSON.
  ["{} columns, more than {}; the table was left out", "$1 colonnes, plus de $2\u00a0; le tableau a été laissé de côté"],
  [
    "longer than {} bytes, perhaps an unclosed quotation mark; the rest was left out",
    "plus de $1 octets, peut-être un guillemet non fermé\u00a0; le reste a été laissé de côté",
  ],
  [
    "{} cells where the table has {} columns; this row was left out",
    "$1 cellules là où le tableau a $2 colonnes\u00a0; cette ligne a été laissée de côté",
  ],
  ["not valid JSON: {}; this element was left out", "JSON non valable ($1)\u00a0; cet élément a été laissé de côté"],
  ["longer than {} bytes; this element was left out", "plus de $1 octets\u00a0; cet élément a été laissé de côté"],
  ["nested {} levels deep, more than {}; this element was left out", "imbriqué sur $1 niveaux, plus de $2\u00a0; cet élément a été laissé de côté"],
  ["more than {} values in it; this element was left out", "plus de $1 valeurs\u00a0; cet élément a été laissé de côté"],
  ["the file ends inside the array: it is cut off", "le fichier finit au milieu de la liste\u00a0: il est coupé"],
  ["a closing bracket without its opening one", "un crochet fermant sans l’ouvrant"],
  ["more text after the end of the array; it was left out", "du texte après la fin de la liste\u00a0; laissé de côté"],
  ["the file ends inside this element: it is cut off", "le fichier finit au milieu de cet élément\u00a0: il est coupé"],
  [
    "a text longer than {} bytes; kept as an object, not licensable yet",
    "un texte de plus de $1 octets\u00a0; gardé comme objet, pas encore licenciable",
  ],
  // Records, and the whole import.
  [
    "the text has {} bytes, more than the {} a record may have; split it into shorter pieces",
    "le texte a $1 octets, plus que les $2 permis à un enregistrement\u00a0; coupez-le en morceaux plus courts",
  ],
  ["there are {} fields, more than the {} a record may have", "il y a $1 champs, plus que les $2 permis à un enregistrement"],
  [
    "the field name {} cannot be used (empty, over {} bytes, or reserved)",
    "le nom de champ $1 ne peut pas servir (vide, plus de $2 octets, ou réservé)",
  ],
  ["the {} is empty or longer than {} bytes", "ceci est vide ou dépasse $2 octets\u00a0: $1"],
  ["the record has {} bytes, more than the {} allowed", "l’enregistrement a $1 octets, plus que les $2 permis"],
  ["the record has neither text nor fields", "l’enregistrement n’a ni texte ni champs"],
  ["these bytes are not a record: {}", "ces octets ne sont pas un enregistrement\u00a0: $1"],
  ["the file is empty", "le fichier est vide"],
  ["no records were found in it", "aucun enregistrement n’y a été trouvé"],
  ["{} has no name", "$1 n’a pas de nom"],
  ["Give the source a name with --source.", "Donnez un nom à la source."],
  ["what was just kept is not in the vault", "ce qui vient d’être gardé n’est pas dans le coffre"],
  ["the vault's entry for an imported file cannot be read: {}", "la note du coffre sur un fichier importé est illisible\u00a0: $1"],
  ["there is no worker", "il n’y a pas de processus de lecture"],
  ["the importer gave a record of another source", "le processus de lecture a donné un enregistrement d’une autre source"],
  ["the importer's answer is not one to what it was asked", "le processus de lecture n’a pas répondu à la question"],
  [
    "{} could not be read: {}; check the disk and its permissions, then import it again",
    "$1 n’a pas pu être lu ($2)\u00a0; vérifiez le disque et les droits, puis importez de nouveau",
  ],
  ["record {} of the dataset was deleted from the vault", "l’enregistrement $1 du jeu a été supprimé du coffre"],
  ["`usufruct vault check --read-data` says what else is.", "`usufruct vault check --read-data` dit ce qui l’est aussi."],
  ["the vault names a deleted record {}, which is no id", "le coffre nomme un enregistrement supprimé $1, qui n’est pas un identifiant"],
  // With another sentence in them.
  ["{}; it was left out", "§1\u00a0; laissé de côté"],
  ["{}; this entry was left out", "§1\u00a0; cette entrée a été laissée de côté"],
  ["{}; this conversation was left out", "§1\u00a0; cette conversation a été laissée de côté"],
  ["{}; the rest was left out", "§1\u00a0; le reste a été laissé de côté"],
];
