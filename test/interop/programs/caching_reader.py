"""Reads a secret through AWS's own caching library, which describes it first and then asks for the version it found."""

import boto3
from aws_secretsmanager_caching import SecretCache

cache = SecretCache(client=boto3.client("secretsmanager"))
print(cache.get_secret_string("plain"))
print(cache.get_secret_string("plain"))
