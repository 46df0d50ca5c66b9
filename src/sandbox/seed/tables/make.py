import json, pyarrow as pa, datetime as dt
from pyiceberg.catalog import load_catalog
from pyiceberg.partitioning import PartitionSpec, PartitionField
from pyiceberg.schema import Schema
from pyiceberg.types import NestedField, StringType, LongType, DoubleType, IntegerType
from pyiceberg.transforms import IdentityTransform
e=json.load(open('/tmp/hsb/out.json'))
s=e['s3']
c=load_catalog('r',**{'uri':e['iceberg_url'],'credential':s['access_key']+':'+s['secret_key'],'s3.endpoint':s['endpoint'],'s3.access-key-id':s['access_key'],'s3.secret-access-key':s['secret_key'],'s3.region':s['region']})
c.create_namespace('klima')
schema=Schema(NestedField(1,'dataset_id',StringType(),required=False),NestedField(2,'station',StringType(),required=False),NestedField(3,'jahr',IntegerType(),required=False),NestedField(4,'mittel',DoubleType(),required=False))
t=c.create_table('klima.stationen',schema=schema,location='s3://curated/iceberg/klima/stationen',partition_spec=PartitionSpec(PartitionField(source_id=3,field_id=1000,transform=IdentityTransform(),name='jahr')))
a=t.schema().as_arrow()
t.append(pa.table({'dataset_id':['klimaatlas-2024']*3,'station':['Harz','Jena','Kiel'],'jahr':pa.array([2024]*3,pa.int32()),'mittel':[6.1,9.4,9.0]},schema=a))
t.append(pa.table({'dataset_id':['klimaatlas-2025']*4,'station':['Harz','Jena','Kiel','Ulm'],'jahr':pa.array([2025]*4,pa.int32()),'mittel':[6.3,9.9,None,9.2]},schema=a))
print(t.scan().to_arrow().num_rows, t.metadata_location)
print(len(c.list_tables('klima')), c.list_namespaces())
t2=c.load_table('klima.stationen'); print(t2.inspect.files().num_rows)
