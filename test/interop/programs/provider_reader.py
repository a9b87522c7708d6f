"""Reads a secret as a program for the AWS Workload Credentials Provider does: by HTTP, with the token of a file."""

import sys

import requests

url, token_file, secret_id = sys.argv[1:]
with open(token_file) as file:
    token = file.read().strip()
answer = requests.get(
    f"{url}/secretsmanager/get",
    params={"secretId": secret_id},
    headers={"X-Aws-Parameters-Secrets-Token": token},
    timeout=30,
)
print(answer.status_code, answer.json()["SecretString"])
