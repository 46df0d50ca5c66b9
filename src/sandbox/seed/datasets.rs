//! The datasets of the seeded lake: one table that objects, items and runs are all made from, so that they agree.

/// A domain of the lake, which is a collection in the catalogue.
pub(crate) struct Domain {
    /// Its id.
    pub(crate) id: &'static str,
    /// Its title.
    pub(crate) title: &'static str,
    /// What it holds.
    pub(crate) description: &'static str,
    /// The highest classification it may hold.
    pub(crate) ceiling: &'static str,
    /// How long its data is kept.
    pub(crate) retention: &'static str,
}

/// The domains.
pub(crate) const DOMAINS: [Domain; 2] = [
    Domain {
        id: "gelaende-umwelt",
        title: "Gelände und Umwelt",
        description: "Terrain models, orthophotos, laser scans and land cover",
        ceiling: "int",
        retention: "indefinite",
    },
    Domain {
        id: "klima-historisch",
        title: "Klima, historisch",
        description: "Climate grids and station series since 1951",
        ceiling: "pub",
        retention: "3650d",
    },
];

/// What a dataset is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One GeoTIFF.
    Raster,
    /// A folder of Parquet parts by H3 cell, of which the item names the folder.
    Vector(&'static [&'static str]),
    /// One COPC file, named by an `s3://` href.
    PointCloud,
}

impl Kind {
    /// Its name in keys and in `dashi:kind`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Raster => "raster",
            Kind::Vector(_) => "vector",
            Kind::PointCloud => "pointcloud",
        }
    }
}

/// A dataset.
pub(crate) struct Dataset {
    /// The domain it belongs to.
    pub(crate) domain: &'static str,
    /// Its id, which is its item's.
    pub(crate) id: &'static str,
    /// What it is made of.
    pub(crate) kind: Kind,
    /// The file it was uploaded as.
    pub(crate) file: &'static str,
    /// Days from its ingestion to the first use.
    pub(crate) age: i64,
    /// West, south, east, north.
    pub(crate) bbox: [f64; 4],
    /// Kibibytes of its largest object.
    pub(crate) size: usize,
    /// Whether it also names the legend that two datasets share.
    pub(crate) legend: bool,
    /// What its item says of rows in the Iceberg table: properties and their values.
    pub(crate) rows: &'static [(&'static str, &'static str)],
}

/// The datasets, the oldest first.
pub(crate) const DATASETS: [Dataset; 12] = [
    plain(
        "klima-historisch",
        "hyras-tas-1951-1980",
        Kind::Raster,
        "tas_1951_1980.tif",
        41,
        GERMANY,
        36,
    ),
    plain(
        "klima-historisch",
        "hyras-tas-1981-2010",
        Kind::Raster,
        "tas_1981_2010.tif",
        40,
        GERMANY,
        37,
    )
    .with_legend(),
    plain(
        "klima-historisch",
        "hyras-pr-1981-2010",
        Kind::Raster,
        "pr_1981_2010.tif",
        40,
        GERMANY,
        41,
    ),
    plain(
        "gelaende-umwelt",
        "dgm1-harz-2025",
        Kind::Raster,
        "dgm1_harz_2025.tif",
        33,
        HARZ,
        48,
    ),
    plain(
        "gelaende-umwelt",
        "dop20-harz-2025",
        Kind::Raster,
        "dop20_harz_2025.tif",
        32,
        HARZ,
        64,
    ),
    plain(
        "gelaende-umwelt",
        "als-harz-2025",
        Kind::PointCloud,
        "als_harz_2025.laz",
        31,
        HARZ,
        72,
    ),
    plain(
        "gelaende-umwelt",
        "dgm1-eifel-2025",
        Kind::Raster,
        "dgm1_eifel_2025.tif",
        19,
        EIFEL,
        44,
    ),
    plain(
        "gelaende-umwelt",
        "als-eifel-2025",
        Kind::PointCloud,
        "als_eifel_2025.laz",
        18,
        EIFEL,
        67,
    ),
    plain(
        "gelaende-umwelt",
        "landbedeckung-2025",
        Kind::Vector(&["871f1d489ffffff", "871f1d48bffffff", "871f1d4d6ffffff"]),
        "landbedeckung_2025.gpkg",
        12,
        HARZ,
        17,
    ),
    plain(
        "gelaende-umwelt",
        "gewaessernetz-eifel",
        Kind::Vector(&["871fa1b0affffff", "871fa1b0cffffff"]),
        "gewaessernetz_eifel.gpkg",
        9,
        EIFEL,
        11,
    ),
    plain(
        "klima-historisch",
        "dwd-stationen",
        Kind::Vector(&["871f05a09ffffff", "871f05a0bffffff"]),
        "dwd_stationen.geojson",
        5,
        GERMANY,
        6,
    )
    .with_rows(&[("dashi:iceberg_table", "klima.stationen")]),
    plain(
        "klima-historisch",
        "klimaatlas-2024",
        Kind::Raster,
        "klimaatlas_2024.tif",
        2,
        GERMANY,
        39,
    )
    .with_legend()
    .with_rows(&[
        ("dashi:iceberg_table", "klima.stationen"),
        ("dashi:iceberg_where", "dataset_id = 'klimaatlas-2024'"),
    ]),
];

const GERMANY: [f64; 4] = [5.87, 47.27, 15.04, 55.06];
const HARZ: [f64; 4] = [10.2, 51.57, 11.36, 52.0];
const EIFEL: [f64; 4] = [6.1, 50.0, 7.2, 50.7];

/// The key of the legend that two datasets share, in the processed bucket.
pub(crate) const LEGEND: &str = "klima-historisch/legende/temperatur.json";

const fn plain(
    domain: &'static str,
    id: &'static str,
    kind: Kind,
    file: &'static str,
    age: i64,
    bbox: [f64; 4],
    size: usize,
) -> Dataset {
    Dataset {
        domain,
        id,
        kind,
        file,
        age,
        bbox,
        size,
        legend: false,
        rows: &[],
    }
}

impl Dataset {
    const fn with_legend(self) -> Dataset {
        Dataset {
            legend: true,
            ..self
        }
    }

    const fn with_rows(self, rows: &'static [(&'static str, &'static str)]) -> Dataset {
        Dataset { rows, ..self }
    }

    /// Its folder in the processed bucket, with a slash at the end.
    pub(crate) fn folder(&self) -> String {
        format!("{}/{}/", self.domain, self.id)
    }

    /// The keys of its data in the processed bucket.
    pub(crate) fn keys(&self) -> Vec<String> {
        let folder = format!("{}{}/", self.folder(), self.kind.name());
        match self.kind {
            Kind::Raster => vec![format!("{folder}scene.tif")],
            Kind::PointCloud => vec![format!("{folder}points.copc.laz")],
            Kind::Vector(cells) => cells
                .iter()
                .map(|cell| format!("{folder}h3_7={cell}/part-0.parquet"))
                .collect(),
        }
    }

    /// The key it was uploaded under, in the landing bucket. The upload's name is made of the dataset's.
    pub(crate) fn source(&self) -> String {
        let upload = hex::encode(<md5::Md5 as md5::Digest>::digest(self.id));
        format!("{}/incoming/{upload}/{}", self.domain, self.file)
    }
}
