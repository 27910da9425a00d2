"""The FHIR model: element types of every release, references, shapes."""
