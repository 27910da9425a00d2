"""French names and places of the sample: first names by generation, communes with INSEE codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Sex = Literal["male", "female"]


@dataclass(frozen=True, slots=True)
class Commune:
    """A commune: name as INSEE writes it, postal code, and the code of the *Code officiel géographique*."""

    name: str
    postal_code: str
    insee_code: str


FAMILY_NAMES: tuple[str, ...] = (
    "ANDRÉ", "ARNAUD", "AUBERT", "BAILLY", "BARBIER", "BARON", "BENALI", "BENOÎT", "BERGER", "BERNARD",
    "BERTRAND", "BLANCHARD", "BONNET", "BOUCHER", "BOURGEOIS", "BOYER", "BRUN", "BRUNET", "CARON",
    "CARPENTIER",
    "CHARLES", "CHEVALIER", "CLÉMENT", "COLIN", "COLLET", "DA SILVA", "DAVID", "DE LA TOUR", "DENIS",
    "DESCHAMPS",
    "DIALLO", "DUBOIS", "DUFOUR", "DUMAS", "DUMONT", "DUPONT", "DURAND", "DUVAL", "FABRE", "FAURE",
    "FERNANDEZ", "FLEURY", "FONTAINE", "FOURNIER", "GAILLARD", "GARCIA", "GARNIER", "GAUTHIER", "GIRARD",
    "GIRAUD",
    "GUÉRIN", "GUILLAUME", "HADDAD", "HENRY", "HUBERT", "JACQUET", "JOLY", "LACROIX", "LAMBERT", "LE GALL",
    "LECLERC", "LEFÈVRE", "LEGRAND", "LEMAIRE", "LEROUX", "LOPEZ", "LUCAS", "MARCHAND", "MARTIN", "MARTINEZ",
    "MASSON", "MATHIEU", "MERCIER", "MEUNIER", "MEYER", "MICHEL", "MOREAU", "MORIN", "MOULIN", "N'GUYEN",
    "NICOLAS", "NOËL", "OLIVIER", "PEREIRA", "PERRIN", "PETIT", "PICARD", "PIERRE", "RENARD", "RENAUD",
    "REY", "RICHARD", "RIVIÈRE", "ROBIN", "ROCHE", "ROLLAND", "ROUSSEAU", "ROUX", "SAINT-MARTIN", "SCHMITT",
    "TRAORÉ", "VASSEUR", "VIDAL", "VINCENT",
)  # fmt: skip

_MALE_OLD = (
    "Albert", "André", "Bernard", "Claude", "Daniel", "Fernand", "Georges", "Gérard", "Guy", "Henri",
    "Jacques", "Jean", "Jean-Claude", "Lucien", "Marcel", "Maurice", "Michel", "Pierre", "Raymond", "René",
    "Robert", "Roger", "Serge", "Yves",
)  # fmt: skip
_MALE_MIDDLE = (
    "Alain", "Bruno", "Christian", "Christophe", "David", "Didier", "Éric", "Franck", "Frédéric", "Hervé",
    "Jérôme", "Karim", "Laurent", "Manuel", "Mohamed", "Olivier", "Pascal", "Patrick", "Philippe",
    "Sébastien",
    "Stéphane", "Thierry", "Vincent",
)  # fmt: skip
_MALE_YOUNG = (
    "Adam", "Amadou", "Antoine", "Arthur", "Enzo", "Gabriel", "Hugo", "Jules", "Léo", "Louis",
    "Lucas", "Maël", "Mathis", "Maxime", "Nathan", "Noé", "Raphaël", "Théo", "Thomas", "Yanis",
)  # fmt: skip
_FEMALE_OLD = (
    "Andrée", "Christiane", "Colette", "Denise", "Françoise", "Geneviève", "Georgette", "Ginette", "Hélène",
    "Huguette",
    "Jacqueline", "Jeanne", "Lucienne", "Marcelle", "Marguerite", "Marie", "Marie-Thérèse", "Monique",
    "Odette", "Paulette",
    "Simone", "Suzanne", "Thérèse", "Yvonne",
)  # fmt: skip
_FEMALE_MIDDLE = (
    "Anne", "Béatrice", "Brigitte", "Carole", "Catherine", "Céline", "Chantal", "Christine", "Corinne",
    "Fatima",
    "Florence", "Isabelle", "Laurence", "Maria", "Martine", "Nathalie", "Patricia", "Sandrine", "Sophie",
    "Stéphanie",
    "Sylvie", "Valérie", "Véronique",
)  # fmt: skip
_FEMALE_YOUNG = (
    "Alice", "Ambre", "Anaïs", "Camille", "Chloé", "Élise", "Emma", "Fatoumata", "Inès", "Jade",
    "Julie", "Léa", "Lina", "Louise", "Lucie", "Manon", "Marine", "Mila", "Romane", "Zoé",
)  # fmt: skip

FIRST_NAMES: dict[tuple[Sex, str], tuple[str, ...]] = {
    ("male", "old"): _MALE_OLD,
    ("male", "middle"): _MALE_MIDDLE,
    ("male", "young"): _MALE_YOUNG,
    ("female", "old"): _FEMALE_OLD,
    ("female", "middle"): _FEMALE_MIDDLE,
    ("female", "young"): _FEMALE_YOUNG,
}

HOME_COMMUNES: tuple[Commune, ...] = (
    Commune("Annecy", "74000", "74010"),
    Commune("Aix-les-Bains", "73100", "73008"),
    Commune("Chambéry", "73000", "73065"),
    Commune("Thonon-les-Bains", "74200", "74281"),
    Commune("Évian-les-Bains", "74500", "74119"),
    Commune("Rumilly", "74150", "74225"),
    Commune("Albertville", "73200", "73011"),
    Commune("Annemasse", "74100", "74012"),
    Commune("Cluses", "74300", "74081"),
    Commune("Ugine", "73400", "73303"),
    Commune("Faverges-Seythenex", "74210", "74123"),
    Commune("La Motte-Servolex", "73290", "73179"),
    Commune("Cognin", "73160", "73087"),
    Commune("Le Bourget-du-Lac", "73370", "73051"),
    Commune("Sallanches", "74700", "74256"),
    Commune("Bonneville", "74130", "74042"),
    Commune("La Roche-sur-Foron", "74800", "74224"),
    Commune("Saint-Jean-de-Maurienne", "73300", "73248"),
    Commune("Belley", "01300", "01034"),
    Commune("Bourg-en-Bresse", "01000", "01053"),
)

ELSEWHERE: tuple[Commune, ...] = (
    Commune("Lyon 3e Arrondissement", "69003", "69383"),
    Commune("Grenoble", "38000", "38185"),
    Commune("Paris 14e Arrondissement", "75014", "75114"),
    Commune("Marseille 5e Arrondissement", "13005", "13205"),
    Commune("Lille", "59000", "59350"),
    Commune("Toulouse", "31000", "31555"),
    Commune("Nantes", "44000", "44109"),
    Commune("Strasbourg", "67000", "67482"),
    Commune("Saint-Étienne", "42000", "42218"),
    Commune("Ajaccio", "20000", "2A004"),
)

STREETS: tuple[str, ...] = (
    "avenue de la Gare", "avenue du Lac", "boulevard de la Liberté", "chemin des Écoliers",
    "chemin du Moulin",
    "impasse des Tilleuls", "place de l'Église", "place de la Mairie", "route de Genève", "route des Alpes",
    "rue de la Fontaine", "rue de la République", "rue des Jardins", "rue du Château",
    "rue du Général-de-Gaulle",
    "rue Jean-Jaurès", "rue Pasteur", "rue Victor-Hugo",
)  # fmt: skip


def generation(birth_year: int) -> str:
    """The generation whose first names a person born that year may bear: old, middle or young."""
    if birth_year < 1955:
        return "old"
    return "middle" if birth_year < 1985 else "young"
