"""An object in an S3-compatible store, by the AWS_* variables -> its bytes on standard output.

    python fetch.py s3://BUCKET/KEY
"""

import os
import sys

from pyarrow import fs


def main():
    endpoint = os.environ["AWS_ENDPOINT_URL"]
    scheme, _, address = endpoint.partition("://")
    store = fs.S3FileSystem(
        access_key=os.environ["AWS_ACCESS_KEY_ID"],
        secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
        region=os.environ.get("AWS_REGION", "us-east-1"),
        scheme=scheme,
        endpoint_override=address,
    )
    with store.open_input_stream(sys.argv[1].removeprefix("s3://")) as stream:
        sys.stdout.buffer.write(stream.read())


if __name__ == "__main__":
    main()
