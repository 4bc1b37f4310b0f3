"""Outside crews: permits with a period, zones and a crew list; without a permit in force nobody of a crew gets in."""
