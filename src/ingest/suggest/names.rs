//! Names that say what a column is, beside those that mappings know; all as they compare, without blanks and case.

use crate::mapping::ReadAs;
use domain::Field;

/// Header names (folded) that say which rooftop a row is of, by its key and by its name.
pub(super) const ROOFTOP_KEYS: &[&str] = &[
    "dealerid",
    "dealerkey",
    "dealercode",
    "dealernumber",
    "dealershipid",
    "rooftop",
    "rooftopid",
    "storeid",
    "storecode",
    "storenumber",
    "locationid",
    "locationcode",
    "branchid",
    "branchcode",
    "lot",
    "lotid",
    "lotcode",
    "sellerid",
];
pub(super) const ROOFTOP_NAMES: &[&str] = &[
    "dealer",
    "dealername",
    "dealership",
    "dealershipname",
    "rooftopname",
    "storename",
    "locationname",
    "branchname",
    "seller",
    "sellername",
];

/// And which currency its prices are in.
pub(super) const CURRENCIES: &[&str] = &[
    "currency",
    "pricecurrency",
    "currencycode",
    "price@currency",
    "currencyiso",
    "curr",
    "devise",
    "währung",
    "waehrung",
    "monnaie",
    "moneda",
    "valuta",
    "waluta",
];
/// And in which unit its distances are.
pub(super) const DISTANCES: &[&str] = &[
    "odometerunit",
    "odometerunits",
    "mileageunit",
    "mileageunits",
    "odometeruom",
    "distanceunit",
    "mileagetype",
];
/// Links that are not the unit's own page, by a word in their name.
pub(super) const OTHER_LINKS: &[&str] = &[
    "video",
    "carfax",
    "autocheck",
    "report",
    "sticker",
    "logo",
    "dealer",
    "brochure",
];
/// What stands beside a known word in a name, and makes it another thing.
pub(super) const OTHER_THINGS: &[&str] = &[
    "month", "payment", "week", "count", "limit", "status", "report", "number", "no", "date",
    "time", "unit", "type", "id", "updated",
];
/// Of these one column is read: another number is another thing.
pub(super) const IDENTITY: &[Field] = &[Field::StockNumber, Field::Vin, Field::Serial];
/// How columns are called in German, French, Spanish, Italian, Dutch and Polish. A name that only begins or ends so is none: `market
/// value` is no `Marke`.
pub(super) const OF_OTHER_LANGUAGES: &[(Field, Option<ReadAs>, &str)] = &[
    (
        Field::StockNumber,
        None,
        "lager lagernummer lagernr fahrzeugnummer fahrzeugnr bestandsnummer internenummer internenr \
         angebotsnummer numérodestock numerodestock nstock référencestock referencia numerostock \
         riferimento voorraadnummer stocknummer numerreferencyjny",
    ),
    (
        Field::Vin,
        None,
        "fin vinfin fahrgestellnummer fahrgestellnr fahrzeugidentifizierungsnummer fahrzeugidentnr \
         numérodechâssis numerodechassis châssis chassis bastidor numerodebastidor telaio \
         numerotelaio chassisnummer numervin nrvin",
    ),
    (
        Field::Serial,
        None,
        "seriennummer numérodesérie numerodeserie númerodeserie matricola serienummer numerseryjny",
    ),
    (
        Field::Make,
        None,
        "marke hersteller fabrikat marque marca merk marka",
    ),
    (Field::Model, None, "modell modèle modele modelo modello"),
    (
        Field::Trim,
        None,
        "ausstattungslinie finition versione uitvoering wersja",
    ),
    (
        Field::Year,
        Some(ReadAs::Year),
        "baujahr modelljahr année annee annéemodèle año anno bouwjaar rokprodukcji rocznik",
    ),
    (
        Field::PriceCents,
        Some(ReadAs::Money),
        "preis verkaufspreis bruttopreis preisbrutto preiseur prix prixttc prixdevente precio \
         preciodeventa prezzo prijs verkoopprijs cena cenabrutto",
    ),
    (
        Field::OdometerKm,
        Some(ReadAs::Kilometres),
        "kmstand kilometerstand laufleistung kilométrage kilometrage kilómetros kilometros \
         chilometraggio chilometri tellerstand przebieg",
    ),
    (
        Field::Hours,
        None,
        "betriebsstunden heures horas oredilavoro draaiuren motogodziny",
    ),
    (
        Field::Category,
        None,
        "kategorie catégorie categoría categoria categorie kategoria",
    ),
    (
        Field::Fuel,
        None,
        "kraftstoff kraftstoffart treibstoff carburant énergie combustible carburante alimentazione \
         brandstof paliwo rodzajpaliwa",
    ),
    (
        Field::Transmission,
        None,
        "getriebe getriebeart boîtedevitesse boîtedevitesses boitedevitesses cambio transmisión \
         transmissie skrzyniabiegów",
    ),
    (
        Field::Body,
        None,
        "karosserie karosserieform aufbau carrosserie carrocería carroceria carrozzeria nadwozie \
         typnadwozia",
    ),
    (
        Field::ExteriorColor,
        None,
        "farbe außenfarbe aussenfarbe couleur colore kleur kolor",
    ),
    (
        Field::InteriorColor,
        None,
        "innenfarbe couleurintérieure coloreinterni",
    ),
    (
        Field::Doors,
        None,
        "türen tueren türanzahl portes puertas deuren liczbadrzwi",
    ),
    (
        Field::DisplacementCc,
        None,
        "hubraum hubraumccm cylindrée cilindrada cilindrata cilinderinhoud pojemność",
    ),
    (
        Field::Condition,
        None,
        "zustand état etat estado condizione staat stan",
    ),
    (Field::Title, None, "titel titre título titolo tytuł"),
    (
        Field::Description,
        None,
        "beschreibung bemerkung bemerkungen descriptif descripción descrizione omschrijving opis",
    ),
    (
        Field::Options,
        None,
        "ausstattung sonderausstattung équipements equipements equipamiento accessori opties \
         wyposażenie",
    ),
    (
        Field::ImageUrls,
        None,
        "bilder fotos imágenes imagenes immagini afbeeldingen zdjęcia",
    ),
    (
        Field::DateInStock,
        None,
        "eingangsdatum zugangsdatum datedentrée fechadeentrada dataingresso",
    ),
];
