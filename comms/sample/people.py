"""Names as they occur in Germany. Whoever carries one of these combinations is meant by none of them."""

from __future__ import annotations

from random import Random


def _listed(names: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in names.replace("\n", "|").split("|") if name.strip())


WOMEN = _listed(
    """
    Andrea|Anke|Annette|Ayşe|Barbara|Birgit|Brigitte|Christa|Claudia|Cornelia|Dagmar|Daniela|Doris|Elif|Elke|Esther
    Eva|Friederike|Gabriele|Gül|Hannah|Heike|Ingrid|Irina|Jana|Johanna|Jutta|Karin|Katharina|Kerstin|Lena|Magdalena
    Maren|Maria|Marlene|Martina|Mechthild|Monika|Nadja|Nicole|Olga|Petra|Renate|Sabine|Sandra|Sigrid|Silke|Sofia
    Stefanie|Susanne|Svenja|Tanja|Thérèse|Ulrike|Ursula|Ute|Verena|Waltraud|Yasemin|Zoë
    """
)
MEN = _listed(
    """
    Alexander|Andreas|Axel|Bernd|Björn|Cem|Christian|Christoph|Daniel|Dieter|Dirk|Emre|Florian|Frank|Georg|Götz
    Günter|Hans-Peter|Heiko|Holger|Ingo|Jan|Jens|Jörg|Jürgen|Kai|Karl-Heinz|Klaus|Lars|Lukas|Mahmut|Manfred|Marek
    Markus|Martin|Matthias|Michael|Niklas|Norbert|Olaf|Oliver|Paul|Peter|Rainer|Ralf|René|Robert|Rüdiger|Sebastian
    Stefan|Sven|Thomas|Torsten|Uwe|Volker|Werner|Wolfgang|Yusuf
    """
)
SURNAMES = _listed(
    """
    Müller|Schmidt|Schneider|Fischer|Weber|Meyer|Wagner|Becker|Schulz|Hoffmann|Schäfer|Koch|Bauer|Richter|Klein|Wolf
    Schröder|Neumann|Schwarz|Zimmermann|Braun|Krüger|Hofmann|Hartmann|Lange|Schmitt|Werner|Krause|Meier|Lehmann
    Köhler|Maier|Herrmann|König|Walter|Mayer|Huber|Kaiser|Fuchs|Peters|Lang|Scholz|Möller|Weiß|Jung|Hahn|Vogel
    Friedrich|Günther|Keller|Roth|Beck|Lorenz|Baumann|Franke|Albrecht|Groß|Böhm|Voß|Strauß|Özdemir|Yılmaz|Kowalski
    Nowak|Petrović|Nguyen|Çelik|Jäger|Söhnlein|Übelacker|Großkopf|Preußler|von der Heide|von Bülow|zu Eulenfeld
    de Boer|van den Berg|von und zu Wallmoden|Müller-Lüdenscheid|Schmidt-Rottluff|Meyer-Förster|Groß-Bölting
    Kaya-Hoffmann|O’Connor
    """
)
ENGLISH = ("Carter", "Whitfield", "MacDonald", "O’Brien", "Okonkwo", "Patel", "Lindqvist", "Hughes")

TITLES = (
    None, None, None, "Dr.", "Dr. phil.", "Dr. med.", "Dipl.-Psych.", "Dipl.-Psych.", "Dipl.-Psych. Dr.",
    "M.Sc. Psych.", "Prof. Dr.", "Prof. Dr. med.", "Priv.-Doz. Dr. med.", "Dr. rer. nat. Dipl.-Psych.",
)  # fmt: skip


def person(dice: Random) -> dict[str, str | None]:
    """Throw a form of address, title and names, as the platform writes them."""
    sex = dice.choices(("Frau", "Herr", "divers", None), (68, 28, 2, 2))[0]
    first = dice.choice(MEN if sex == "Herr" or (sex != "Frau" and dice.random() < 0.5) else WOMEN)
    gender = {"Frau": "weiblich", "Herr": "männlich", "divers": "divers"}.get(sex or "")
    return {
        "anrede": sex,
        "titel": dice.choice(TITLES),
        "vorname": first,
        "nachname": dice.choice(SURNAMES),
        "geschlecht": gender,
    }


def in_an_address(name: str) -> str:
    """Spell a name as people do in email addresses: `Groß-Bölting` becomes `gross-boelting`."""
    letters = {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ş": "s", "ı": "i", "ç": "c", "ć": "c", "é": "e", "ë": "e"}
    folded = "".join(letters.get(letter, letter) for letter in name.lower())
    return "".join(letter for letter in folded.replace(" ", "-") if letter in "abcdefghijklmnopqrstuvwxyz-")
