// Documents in the shapes of Amazon S3, Ceph RGW and MinIO, and of their clients, each with the parser it is for.
#pragma once

#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "base/s3wire/xml.h"

namespace pailfs::s3wire {

// Amazon S3, encoding-type=url.
inline constexpr std::string_view kAwsList = R"(<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>examplebucket</Name><Prefix>a+b/</Prefix>
<StartAfter>a+b/%25</StartAfter><ContinuationToken>1%2Fx+y==</ContinuationToken>
<NextContinuationToken>1ueGcxLPRx1Tr/XYEx%2F+==</NextContinuationToken><KeyCount>4</KeyCount><MaxKeys>1000</MaxKeys>
<Delimiter>/</Delimiter><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>
<Contents><Key>a+b/test_file%283%29.png</Key><LastModified>2009-10-12T17:50:30.000Z</LastModified>
<ETag>&quot;fba9dede5f27731c9771645a39863328&quot;</ETag><ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm>
<ChecksumType>FULL_OBJECT</ChecksumType><Size>434234</Size><StorageClass>GLACIER</StorageClass></Contents>
<Contents><Key>a+b/%01%0A%22%26%3C%C3%BC%F0%9F%90%9F%FF%2B</Key><LastModified>2009-10-12T17:50:31Z</LastModified>
<ETag>"d41d8cd98f00b204e9800998ecf8427e-12"</ETag><Size>0</Size><StorageClass>STANDARD</StorageClass></Contents>
<CommonPrefixes><Prefix>a+b/c%20d/</Prefix></CommonPrefixes><CommonPrefixes><Prefix>a+b/e/</Prefix></CommonPrefixes>
</ListBucketResult>)";

// Ceph RGW: fields of its own, empty elements, no encoding.
inline constexpr std::string_view kRgwList =
    R"(<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">)"
    R"(<Name>b</Name><Prefix></Prefix><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated><Contents>)"
    R"(<Key>a+b%20&amp;&lt;&#x9;</Key><LastModified>2024-03-01T10:11:12.345Z</LastModified>)"
    R"(<ETag>&quot;098f6bcd4621d373cade4e832627b4f6&quot;</ETag><Size>4</Size><StorageClass>STANDARD</StorageClass>)"
    R"(<Owner><ID>u</ID><DisplayName>U</DisplayName></Owner><Type>Normal</Type></Contents><Contents><Key> </Key>)"
    R"(<LastModified>2024-03-01T10:11:12.345Z</LastModified><ETag>x</ETag><Size>9223372036854775807</Size>)"
    R"(</Contents><Marker></Marker><KeyCount>2</KeyCount></ListBucketResult>)";

// MinIO with metadata=true and encoding-type=url.
inline constexpr std::string_view kMinioList = R"(<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix></Prefix><KeyCount>2</KeyCount>
<MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated><Contents><Key>dir/a+%2B.txt</Key>
<LastModified>2024-05-06T07:08:09.010Z</LastModified><ETag>&#34;abc&#34;</ETag><Size>3</Size>
<Owner><ID>02d6</ID><DisplayName>minio</DisplayName></Owner><StorageClass>STANDARD</StorageClass>
<UserMetadata><X-Amz-Meta-Pailfs-Mode>0644</X-Amz-Meta-Pailfs-Mode><X-Amz-Meta-Name>a <![CDATA[&]]> b</X-Amz-Meta-Name>
<content-type>text/plain</content-type><Cache-Control>no-cache</Cache-Control>
<expires>Mon, 01 Jan 0001 00:00:00 GMT</expires><X-Amz-Server-Side-Encryption>AES256</X-Amz-Server-Side-Encryption>
</UserMetadata><UserTags>k=v</UserTags><Internal><K>1</K><M>0</M></Internal></Contents><Contents><Key>z</Key>
<LastModified>2024-05-06T07:08:09.010Z</LastModified><ETag>&#34;abc&#34;</ETag><Size>3</Size></Contents>
<EncodingType>url</EncodingType></ListBucketResult>)";

inline constexpr std::string_view kAwsVersions = R"(<?xml version="1.0" encoding="UTF-8"?>
<ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix/><KeyMarker/>
<VersionIdMarker/><NextKeyMarker>my+second%2Bimage.jpg</NextKeyMarker>
<NextVersionIdMarker>03jpff543dhffds434rfdsFDN943fdsFkdmqnh892+%2F</NextVersionIdMarker><MaxKeys>3</MaxKeys>
<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>
<Version><Key>my-image.jpg</Key><VersionId>3/L4kqtJl40Nr8X8gdRQBpUMLUo+x</VersionId><IsLatest>true</IsLatest>
<LastModified>2009-10-12T17:50:30.000Z</LastModified><ETag>"fba9dede5f27731c9771645a39863328"</ETag><Size>434234</Size>
<StorageClass>STANDARD</StorageClass><Owner><ID>75aa</ID><DisplayName>m</DisplayName></Owner></Version>
<DeleteMarker><Key>my+second%2Bimage.jpg</Key><VersionId>03jpff</VersionId><IsLatest>true</IsLatest>
<LastModified>2009-11-12T17:50:30.000Z</LastModified><Owner><ID>75aa</ID></Owner></DeleteMarker>
<Version><Key>my+second%2Bimage.jpg</Key><VersionId>null</VersionId><IsLatest>false</IsLatest>
<LastModified>2009-10-10T17:50:30.000Z</LastModified><ETag>"9b2cf535f27731c974343645a3985328"</ETag><Size>0</Size>
<StorageClass>STANDARD</StorageClass></Version><CommonPrefixes><Prefix>p%2F/</Prefix></CommonPrefixes>
</ListVersionsResult>)";

// MinIO gives a delete marker a size, a class and an empty ETag.
inline constexpr std::string_view kMinioVersions =
    R"(<?xml version="1.0" encoding="UTF-8"?>
<ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix></Prefix><KeyMarker></KeyMarker>)"
    R"(<VersionIdMarker></VersionIdMarker><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated><DeleteMarker>)"
    R"(<Key>k</Key><LastModified>2024-05-06T07:08:09.010Z</LastModified><ETag></ETag><Size>0</Size><Owner><ID>0</ID>)"
    R"(</Owner><StorageClass>STANDARD</StorageClass><IsLatest>true</IsLatest><VersionId>74f0f3a4</VersionId>)"
    R"(</DeleteMarker></ListVersionsResult>)";

inline constexpr std::string_view kInitiate = R"(<?xml version="1.0" encoding="UTF-8"?>
<InitiateMultipartUploadResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Bucket>b</Bucket><Key>k</Key>
<UploadId>VXBsb2FkIElE.-_~+/%2F</UploadId></InitiateMultipartUploadResult>)";

// S3 sends blanks to keep the connection while it puts the parts together.
inline constexpr std::string_view kComplete = R"(<?xml version="1.0" encoding="UTF-8"?>


<CompleteMultipartUploadResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
<Location>http://b.s3.amazonaws.com/k</Location><Bucket>b</Bucket><Key>k</Key>
<ETag>"3858f62230ac3c915f300c664312c11f-9"</ETag></CompleteMultipartUploadResult>)";

inline constexpr std::string_view kCopy = R"(<CopyObjectResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
<LastModified>2009-10-28T22:32:00.000Z</LastModified><ETag>"9b2cf535f27731c974343645a3985328"</ETag></CopyObjectResult>)";
inline constexpr std::string_view kCopyPart = R"(<CopyPartResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
<ETag>"9b2cf535f27731c974343645a3985328"</ETag><LastModified>2009-10-28T22:32:00Z</LastModified></CopyPartResult>)";

inline constexpr std::string_view kDelete = R"(<?xml version="1.0" encoding="UTF-8"?>
<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Deleted><Key>plain+%20.txt</Key></Deleted>
<Deleted><Key>marked</Key><DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>M1</DeleteMarkerVersionId></Deleted>
<Deleted><Key>version</Key><VersionId>V1</VersionId></Deleted>
<Deleted><Key>marker</Key><VersionId>M2</VersionId><DeleteMarker>true</DeleteMarker>
<DeleteMarkerVersionId>M2</DeleteMarkerVersionId></Deleted>
<Error><Key>kept</Key><VersionId>V3</VersionId><Code>AccessDenied</Code><Message>Access Denied</Message></Error>
</DeleteResult>)";

inline constexpr std::string_view kParts = R"(<?xml version="1.0" encoding="UTF-8"?>
<ListPartsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Bucket>b</Bucket><Key>k</Key><UploadId>X</UploadId>
<Initiator><ID>arn</ID></Initiator><Owner><ID>75aa</ID></Owner><StorageClass>STANDARD</StorageClass>
<PartNumberMarker>1</PartNumberMarker><NextPartNumberMarker>3</NextPartNumberMarker><MaxParts>2</MaxParts>
<IsTruncated>true</IsTruncated>
<Part><PartNumber>2</PartNumber><LastModified>2010-11-10T20:48:34.000Z</LastModified>
<ETag>"7778aef83f66abc1fa1e8477f296d394"</ETag><Size>10485760</Size></Part>
<Part><PartNumber>3</PartNumber><LastModified>2010-11-10T20:48:33.000Z</LastModified><ETag>"aaaa"</ETag><Size>1</Size>
</Part></ListPartsResult>)";

inline constexpr std::string_view kUploads = R"(<?xml version="1.0" encoding="UTF-8"?>
<ListMultipartUploadsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Bucket>b</Bucket><KeyMarker></KeyMarker>
<UploadIdMarker></UploadIdMarker><NextKeyMarker>my+movie.m2ts</NextKeyMarker>
<NextUploadIdMarker>YW55+%2F</NextUploadIdMarker><EncodingType>url</EncodingType><MaxUploads>2</MaxUploads>
<IsTruncated>true</IsTruncated><Upload><Key>my+divisor</Key><UploadId>XMgbGlrZSBl</UploadId><Initiator><ID>a</ID>
</Initiator><StorageClass>STANDARD</StorageClass><Initiated>2010-11-10T20:48:33.000Z</Initiated></Upload>
<Upload><Key>my+movie.m2ts</Key><UploadId>VXBsb2Fk</UploadId><Initiated>2010-11-10T20:48:34.000Z</Initiated></Upload>
<CommonPrefixes><Prefix>photos%2F/</Prefix></CommonPrefixes></ListMultipartUploadsResult>)";

inline constexpr std::string_view kVersioning =
    R"(<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>Enabled</Status>)"
    R"(<MfaDelete>Disabled</MfaDelete></VersioningConfiguration>)";

inline constexpr std::string_view kAwsError = R"(<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>SignatureDoesNotMatch</Code><Message>The request signature we calculated does not match.</Message>
<AWSAccessKeyId>AKIAIOSFODNN7EXAMPLE</AWSAccessKeyId><StringToSign>AWS4-HMAC-SHA256</StringToSign>
<SignatureProvided>f0e8bdb8</SignatureProvided><RequestId>4442587FB7D0A2F9</RequestId><HostId>h</HostId></Error>)";
inline constexpr std::string_view kRgwError =
    R"(<?xml version="1.0" encoding="UTF-8"?><Error><Code>NoSuchKey</Code><Message></Message><BucketName>b</BucketName>)"
    R"(<RequestId>tx000000c5</RequestId><HostId>5e1a-default-default</HostId></Error>)";

// What clients send.
inline constexpr std::string_view kCompleteRequest = R"(<?xml version="1.0" encoding="UTF-8"?>
<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Part><PartNumber>1</PartNumber>
<ETag>"a54357aff0632cce46d942af68356b38"</ETag><ChecksumCRC32C>4waSgw==</ChecksumCRC32C></Part>
<Part><PartNumber>2</PartNumber><ETag>0c78aef83f66abc1fa1e8477f296d394</ETag></Part></CompleteMultipartUpload>)";
inline constexpr std::string_view kDeleteRequest =
    R"(<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Quiet>false</Quiet><Object><Key>a&#10;&amp;</Key>)"
    R"(<VersionId>V1</VersionId></Object><Object><Key>b</Key><ETag>"e"</ETag></Object></Delete>)";

// One document and how it is read; nullopt: without an error.
struct Sample {
  std::string_view name;
  std::string_view xml;
  std::function<std::optional<Error>(std::string_view)> parse;
};

template <typename Parse>
Sample MakeSample(std::string_view name, std::string_view xml, Parse parse) {
  return {name, xml, [parse](std::string_view text) -> std::optional<Error> {
            const auto result = parse(text);
            return result.ok() ? std::nullopt : std::optional(result.error());
          }};
}

inline std::vector<Sample> AllSamples() {
  return {
      MakeSample("AWS list", kAwsList, ParseListObjectsV2),
      MakeSample("RGW list", kRgwList, ParseListObjectsV2),
      MakeSample("MinIO list", kMinioList, ParseListObjectsV2),
      MakeSample("AWS versions", kAwsVersions, ParseListVersions),
      MakeSample("MinIO versions", kMinioVersions, ParseListVersions),
      MakeSample("initiate", kInitiate, ParseInitiateMultipartUpload),
      MakeSample("complete", kComplete, ParseCompleteMultipartUpload),
      MakeSample("copy", kCopy, ParseCopyObject),
      MakeSample("copy part", kCopyPart, ParseCopyPart),
      MakeSample("delete", kDelete, ParseDelete),
      MakeSample("parts", kParts, ParseListParts),
      MakeSample("uploads", kUploads, ParseListMultipartUploads),
      MakeSample("versioning", kVersioning, ParseVersioning),
      MakeSample("AWS error", kAwsError, ParseError),
      MakeSample("RGW error", kRgwError, ParseError),
      MakeSample("complete request", kCompleteRequest, ParseCompleteRequest),
      MakeSample("delete request", kDeleteRequest, ParseDeleteRequest),
  };
}

}  // namespace pailfs::s3wire
