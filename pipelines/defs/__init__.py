"""What is deployed: instances of the components, the job and the sensor."""
