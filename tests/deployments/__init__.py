"""What stands in deployments/ and beside it: the image, the compose files, work pools, Kubernetes parts."""
