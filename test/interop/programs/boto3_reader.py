"""Reads secrets as a program that knows nothing but boto3 does."""

import boto3
from botocore.exceptions import ClientError

client = boto3.client("secretsmanager")

answer = client.get_secret_value(SecretId="app/db")
print("value", answer["SecretString"])
print("binary", client.get_secret_value(SecretId="binary")["SecretBinary"].hex())
print("created", type(answer["CreatedDate"]).__name__)
batch = client.batch_get_secret_value(SecretIdList=["plain", "none"])
print("batch", batch["SecretValues"][0]["SecretString"], batch["Errors"][0]["ErrorCode"])
print("described", client.describe_secret(SecretId=answer["ARN"])["Name"])

try:
    client.get_secret_value(SecretId="none")
except client.exceptions.ResourceNotFoundException as error:
    print("missing", error.response["Error"]["Code"])
try:
    client.list_secrets()
except ClientError as error:
    print("unsupported", error.response["Error"]["Code"])
try:
    client.batch_get_secret_value(SecretIdList=["plain"] * 21)
except client.exceptions.InvalidParameterException as error:
    print("invalid", error.response["Error"]["Code"])
